/*
 * Fuzzes what reads a guest kernel's own tables: the first byte says whether the rest is an image
 * with kallsyms or a BTF section. Whatever they hold, the search ends, every symbol can be found
 * again by its name and its address, and a member lies within its struct's section.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/guest/symbols.h"
#include "analysis/guest/types.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_symbols(const u8 *data, size_t size)
{
    struct guest_image image = {.range = {{0xffffffff81000000, data, size}}, .count = 1};
    struct symbols s;
    if (symbols_read(&image, &s).code)
        return;
    for (u32 i = 0; i < s.count; i++) {
        u64 offset;
        const struct symbol *symbol = symbol_named(&s, symbol_name(&s, &s.table[i]));
        require(symbol && symbol <= &s.table[i]);
        symbol_function(&s, symbol_name(&s, symbol));
        symbol = symbol_at(&s, s.table[i].address, &offset);
        require(!symbol || (symbol >= &s.table[i] && !offset));
    }
    symbols_free(&s);
}

static void check_types(const u8 *data, size_t size)
{
    static const char *const paths[] = {
        "task_struct.comm",   "task_struct.tasks.tag", "a.b.c", "b.x",
        "task_struct.matrix", "task_struct.state"};
    struct types types;
    struct member member;
    u64 bytes;
    if (types_read(data, size, &types).code)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (types_member(&types, paths[i], &member))
            require(member.bits <= 255 && member.bit < 8);
    types_size(&types, "task_struct", &bytes);
    types_size(&types, "a", &bytes);
    types_free(&types);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (!size)
        return 0;
    u8 *copy = malloc(size); /* at its end the sanitizer watches, and tables are on 8 bytes */
    memcpy(copy, data + 1, size - 1);
    (data[0] & 1 ? check_types : check_symbols)(copy, size - 1);
    free(copy);
    return 0;
}
