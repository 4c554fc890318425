/* The page's style and script, from their files into this object (Makefile: ASSETS). */
#include "analysis/report/page.h"

#define ASSET(name, file)                                                                \
    __asm__(".section .rodata\n" #name ":\n.incbin \"analysis/report/" file "\"\n" #name \
            "_end:\n.byte 0\n.globl " #name ", " #name "_end\n.previous\n");

ASSET(page_css, "page.css")
ASSET(page_js, "page.js")
