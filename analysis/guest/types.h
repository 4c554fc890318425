/*
 * The guest kernel's types, from its BTF (CONFIG_DEBUG_INFO_BTF): where a member of a struct is and
 * how large it is, by name. Format: Documentation/bpf/btf.rst in Linux.
 */
#ifndef ANALYSIS_GUEST_TYPES_H
#define ANALYSIS_GUEST_TYPES_H

#include "core/types.h"
#include "trace/failure.h"

enum { BTF_MAGIC = 0xeb9f };

/* A copy of the section, checked so far that every type and every name lies within it. */
struct types {
    u8 *bytes;
    u32 *at; /* where each type is, by its number; 0 is void */
    u32 count;
    const char *strings;
    u32 strings_length;
};

struct member {
    u64 offset; /* bytes from the start of the outermost struct; of a bit-field: of its first bit's
                   byte */
    u64 size;   /* bytes; of a bit-field: those that it touches */
    u32 bit, bits; /* of a bit-field: its first bit in the first byte, and its width; else 0 */
};

/* Whether a section's header is at `bytes`, and how long the section is. */
bool types_length(const u8 *bytes, u64 room, u64 *length);
/* Copies; the caller ends *types with types_free(). */
struct failure types_read(const u8 *bytes, u64 length, struct types *types);
void types_free(struct types *);

/*
 * A member by its path from a struct or union: "task_struct.comm", "task_struct.se.vruntime".
 * Members of anonymous structs and unions are found like members of the one around them. Typedefs
 * and qualifiers are looked through; pointers are not followed. false: there is none.
 */
bool types_member(const struct types *, const char *path, struct member *);
/* Size in bytes of a struct, union, enum, integer or typedef of that name; false: none. */
bool types_size(const struct types *, const char *name, u64 *size);

#endif
