/*
 * Reads BTF. The section comes from guest memory, so nothing in it is believed: every type is
 * measured once when it is read, and numbers of types and offsets of names are checked wherever
 * they are used. Chains of types and nested structs are followed to a fixed depth only.
 */
#include "analysis/guest/types.h"

#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_INT = 1,
    KIND_PTR,
    KIND_ARRAY,
    KIND_STRUCT,
    KIND_UNION,
    KIND_ENUM,
    KIND_FWD,
    KIND_TYPEDEF,
    KIND_VOLATILE,
    KIND_CONST,
    KIND_RESTRICT,
    KIND_FUNC,
    KIND_FUNC_PROTO,
    KIND_VAR,
    KIND_DATASEC,
    KIND_FLOAT,
    KIND_DECL_TAG,
    KIND_TYPE_TAG,
    KIND_ENUM64,
    KIND_LIMIT
};

/* Bytes after struct btf_type: fixed, and for each of `vlen` entries. */
static const struct {
    u8 fixed, each;
} tails[KIND_LIMIT] = {
    [KIND_INT] = {4, 0},     [KIND_ARRAY] = {12, 0},   [KIND_STRUCT] = {0, 12},
    [KIND_UNION] = {0, 12},  [KIND_ENUM] = {0, 8},     [KIND_FUNC_PROTO] = {0, 8},
    [KIND_VAR] = {4, 0},     [KIND_DATASEC] = {0, 12}, [KIND_DECL_TAG] = {4, 0},
    [KIND_ENUM64] = {0, 12},
};

/* The format's structs, as btf.rst has them. */
struct btf_header {
    u16 magic;
    u8 version, flags;
    u32 header_length, type_offset, type_length, string_offset, string_length;
};

struct btf_type {
    u32 name, info;
    u32 size; /* or the number of a type */
};

struct btf_array {
    u32 type, index_type, elements;
};

struct btf_member {
    u32 name, type;
    u32 offset; /* bits; with the type's flag, the width of a bit-field in the top byte */
};

enum { DEPTH_MAX = 32, TYPE_BYTES = sizeof(struct btf_type), VERSION = 1 };

static u32 kind_of(const struct btf_type *type)
{
    return type->info >> 24 & 0x1f;
}

static u32 entries_of(const struct btf_type *type)
{
    return type->info & 0xffff;
}

static bool has_bit_fields(const struct btf_type *type)
{
    return type->info >> 31;
}

/* --- reading ----------------------------------------------------------------------------- */

bool types_length(const u8 *bytes, u64 room, u64 *length)
{
    struct btf_header h;
    if (room < sizeof(h))
        return false;
    memcpy(&h, bytes, sizeof(h));
    u64 end = (u64)h.header_length + h.string_offset + h.string_length;
    if (h.magic != BTF_MAGIC || h.version != VERSION || h.header_length < sizeof(h) ||
        (u64)h.type_offset + h.type_length > h.string_offset || end > room || !h.string_length)
        return false;
    *length = end;
    return true;
}

/* Bytes of the type at `at`, or 0 when it is unknown or reaches beyond `end`. */
static u64 measure(const u8 *bytes, u64 at, u64 end)
{
    struct btf_type type;
    if (end - at < TYPE_BYTES)
        return 0;
    memcpy(&type, bytes + at, TYPE_BYTES);
    u32 kind = kind_of(&type);
    if (!kind || kind >= KIND_LIMIT)
        return 0;
    u64 length = TYPE_BYTES + tails[kind].fixed + (u64)tails[kind].each * entries_of(&type);
    return length <= end - at ? length : 0;
}

static struct failure index_types(struct types *t, u64 at, u64 end)
{
    u64 capacity = (end - at) / TYPE_BYTES + 1; /* the void too */
    t->at = calloc(capacity, sizeof(*t->at));
    if (!t->at)
        return fail(NO_SPACE, "no memory for the guest kernel's types");
    for (t->count = 1; at < end; t->count++) {
        u64 length = measure(t->bytes, at, end);
        if (!length)
            return fail(BAD_INPUT,
                        "the guest kernel's BTF is damaged, or newer than this version knows: "
                        "type %u",
                        t->count);
        t->at[t->count] = (u32)at;
        at += length;
    }
    return NO_FAILURE;
}

static struct failure read_copy(struct types *t)
{
    struct btf_header h;
    memcpy(&h, t->bytes, sizeof(h));
    t->strings = (const char *)t->bytes + h.header_length + h.string_offset;
    t->strings_length = h.string_length;
    if (t->strings[t->strings_length - 1])
        return fail(BAD_INPUT, "the guest kernel's BTF is damaged: its last name does not end");
    u64 start = (u64)h.header_length + h.type_offset;
    return index_types(t, start, start + h.type_length);
}

struct failure types_read(const u8 *bytes, u64 length, struct types *types)
{
    u64 used;
    *types = (struct types){0};
    if (!types_length(bytes, length, &used))
        return fail(BAD_INPUT, "the guest kernel's BTF has no header that makes sense");
    types->bytes = malloc(used);
    if (!types->bytes)
        return fail(NO_SPACE, "no memory for the guest kernel's types");
    memcpy(types->bytes, bytes, used);
    struct failure failure = read_copy(types);
    if (failure.code)
        types_free(types);
    return failure;
}

void types_free(struct types *types)
{
    free(types->bytes);
    free(types->at);
    *types = (struct types){0};
}

/* --- types ------------------------------------------------------------------------------- */

/* false: there is no such type, or it is void. */
static bool get(const struct types *t, u32 number, struct btf_type *type)
{
    if (!number || number >= t->count)
        return false;
    memcpy(type, t->bytes + t->at[number], TYPE_BYTES);
    return true;
}

/* What follows the struct btf_type of a type that exists. */
static const u8 *tail(const struct types *t, u32 number)
{
    return t->bytes + t->at[number] + TYPE_BYTES;
}

static const char *name_at(const struct types *t, u32 offset)
{
    return offset < t->strings_length ? t->strings + offset : "";
}

static bool is_name(const struct types *t, u32 offset, const char *name, size_t length)
{
    const char *text = name_at(t, offset);
    return !strncmp(text, name, length) && !text[length];
}

static bool is_alias(u32 kind)
{
    return kind == KIND_TYPEDEF || kind == KIND_VOLATILE || kind == KIND_CONST ||
           kind == KIND_RESTRICT || kind == KIND_TYPE_TAG;
}

/* Looks through typedefs and qualifiers. */
static bool resolve(const struct types *t, u32 *number, struct btf_type *type)
{
    for (u32 depth = 0; depth < DEPTH_MAX && get(t, *number, type); depth++) {
        if (!is_alias(kind_of(type)))
            return true;
        *number = type->size;
    }
    return false;
}

static bool size_of(const struct types *t, u32 number, u64 *size)
{
    struct btf_type type;
    u64 elements = 1;
    for (u32 depth = 0; depth < DEPTH_MAX && resolve(t, &number, &type); depth++) {
        u32 kind = kind_of(&type);
        struct btf_array array;
        if (kind != KIND_ARRAY) {
            bool sized = kind == KIND_INT || kind == KIND_STRUCT || kind == KIND_UNION ||
                         kind == KIND_ENUM || kind == KIND_ENUM64 || kind == KIND_FLOAT;
            *size = elements * (kind == KIND_PTR ? 8 : type.size);
            return sized || kind == KIND_PTR;
        }
        memcpy(&array, tail(t, number), sizeof(array));
        if (__builtin_mul_overflow(elements, array.elements, &elements) || elements >> 32)
            return false;
        number = array.type;
    }
    return false;
}

/* The type of that name whose kind is among `kinds`; 0: none. */
static u32 find_type(const struct types *t, const char *name, size_t length, u32 kinds)
{
    struct btf_type type;
    for (u32 number = 1; length && number < t->count; number++)
        if (get(t, number, &type) && kinds >> kind_of(&type) & 1 &&
            is_name(t, type.name, name, length))
            return number;
    return 0;
}

bool types_size(const struct types *t, const char *name, u64 *size)
{
    u32 kinds = 1u << KIND_STRUCT | 1u << KIND_UNION | 1u << KIND_INT | 1u << KIND_ENUM |
                1u << KIND_TYPEDEF | 1u << KIND_FLOAT | 1u << KIND_ENUM64;
    u32 number = find_type(t, name, strlen(name), kinds);
    return number && size_of(t, number, size);
}

/* --- members ----------------------------------------------------------------------------- */

struct place {
    u32 type;
    u64 bit;   /* from the outermost struct's start */
    u32 width; /* of a bit-field, in bits; else 0 */
};

static struct btf_member member_at(const struct types *t, u32 number, u32 index)
{
    struct btf_member member;
    memcpy(&member, tail(t, number) + index * sizeof(member), sizeof(member));
    return member;
}

static struct place place_of(const struct btf_type *in, const struct btf_member *member, u64 base)
{
    if (!has_bit_fields(in))
        return (struct place){member->type, base + member->offset, 0};
    return (struct place){member->type, base + (member->offset & 0xffffff), member->offset >> 24};
}

/* Steps from the struct at *place to its member; `depth`: of anonymous ones around it. */
static bool step(const struct types *t, struct place *place, const char *name, size_t length,
                 u32 depth)
{
    struct btf_type type;
    u32 number = place->type;
    if (depth > DEPTH_MAX || !resolve(t, &number, &type) ||
        (kind_of(&type) != KIND_STRUCT && kind_of(&type) != KIND_UNION))
        return false;
    for (u32 i = 0; i < entries_of(&type); i++) {
        struct btf_member member = member_at(t, number, i);
        struct place inner = place_of(&type, &member, place->bit);
        bool anonymous = !*name_at(t, member.name);
        if (anonymous ? step(t, &inner, name, length, depth + 1)
                      : is_name(t, member.name, name, length)) {
            *place = inner;
            return true;
        }
    }
    return false;
}

static bool measure_member(const struct types *t, const struct place *place, struct member *member)
{
    *member = (struct member){.offset = place->bit / 8};
    if (!place->width)
        return place->bit % 8 == 0 && size_of(t, place->type, &member->size);
    member->bit = place->bit % 8;
    member->bits = place->width;
    member->size = (member->bit + member->bits + 7) / 8;
    return true;
}

bool types_member(const struct types *t, const char *path, struct member *member)
{
    size_t length = strcspn(path, ".");
    struct place place = {
        find_type(t, path, length, 1u << KIND_STRUCT | 1u << KIND_UNION | 1u << KIND_TYPEDEF), 0,
        0};
    while (path[length]) {
        path += length + 1;
        length = strcspn(path, ".");
        if (!step(t, &place, path, length, 0))
            return false;
    }
    return place.type && measure_member(t, &place, member);
}
