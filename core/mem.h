/*
 * The four memory functions that a freestanding C compiler expects to exist
 * (C11 5.1.2.1, GCC "Standards"). Hosted builds take the C library's; the image
 * links vmx/image/mem.c.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include "core/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* Freestanding code has no builtins of their names; short copies of known length shall still be
 * made in place. */
#if !__STDC_HOSTED__ && !defined(CORE_MEM_FUNCTIONS)
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#endif

#endif
