/*
 * The guest kernel's own symbols, from the kallsyms tables in its memory (CONFIG_KALLSYMS; without
 * CONFIG_KALLSYMS_ALL only functions). The tables are found by their shape: no System.map, no
 * debug package, no knowledge of the kernel's version.
 */
#ifndef ANALYSIS_GUEST_SYMBOLS_H
#define ANALYSIS_GUEST_SYMBOLS_H

#include "analysis/guest/image.h"

struct symbol {
    u64 address; /* as it is in memory, so after address randomisation */
    u32 name;    /* offset in struct symbols.names */
    char type;   /* as nm(1) prints it */
};

struct symbols {
    struct symbol *table; /* by address, as the kernel has them */
    u32 *by_name;
    u32 count;
    char *names;
    u64 names_length; /* bytes, the NULs included */
};

/* On success the caller ends *symbols with symbols_free(). An error names what is missing. */
struct failure symbols_read(const struct guest_image *, struct symbols *symbols);
void symbols_free(struct symbols *);

static inline const char *symbol_name(const struct symbols *symbols, const struct symbol *symbol)
{
    return symbols->names + symbol->name;
}

/* Of several with that name the one with the lowest address; NULL: there is none. */
const struct symbol *symbol_named(const struct symbols *, const char *name);
/* A function by its name in the source, also when the compiler has changed its arguments
 * (NAME.isra.0, NAME.constprop.0), but no part of it (NAME.cold, NAME.part.0). */
const struct symbol *symbol_function(const struct symbols *, const char *name);
/* The last one at or before `address`, of those in the kernel's space; *offset from it.
 * NULL: the address is not the kernel's. */
const struct symbol *symbol_at(const struct symbols *, u64 address, u64 *offset);

#endif
