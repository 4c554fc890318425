/*
 * Port I/O: nobody's ports read as all ones at each size and take writes; an
 * access at 0xffff is split or wraps but harms nothing; a device's register is
 * reached by byte, and by the bytes of a wider access (SDM 19.3; Hindvisor: I/O
 * bitmaps, wrap of the port number).
 *
 * @row: 9 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

enum { SCRATCH = 0x3ff, UNKNOWN = 0x1234 };

static void unknown_ports(void)
{
    u64 rax = 0x1122334455667788;
    expect_equal(inb(UNKNOWN), 0xff, "an unknown port reads 0xff");
    expect_equal(inw(UNKNOWN), 0xffff, "16 bits read 0xffff");
    expect_equal(inl(UNKNOWN), 0xffffffff, "32 bits read 0xffffffff");
    outb(UNKNOWN, 1);
    outw(UNKNOWN, 2);
    outl(UNKNOWN, 3);
    expect_equal(inl(UNKNOWN), 0xffffffff, "and writes are lost");
    asm volatile("inb %%dx, %%al" : "+a"(rax) : "d"(UNKNOWN));
    expect_equal(rax, 0x11223344556677ff, "IN AL changes AL alone");
    asm volatile("inw %%dx, %%ax" : "+a"(rax) : "d"(UNKNOWN));
    expect_equal(rax, 0x112233445566ffff, "IN AX changes AX alone");
    asm volatile("inl %%dx, %%eax" : "+a"(rax) : "d"(UNKNOWN));
    expect_equal(rax, 0xffffffff, "IN EAX clears the upper half of RAX");
}

static void immediate_forms(void)
{
    u8 a;
    u32 c;
    asm volatile("inb $0x99, %0" : "=a"(a));
    asm volatile("inl $0x98, %0" : "=a"(c));
    expect(a == 0xff && c == 0xffffffff, "the forms with an immediate port");
    asm volatile("outb %%al, $0x99; outw %%ax, $0x98; outl %%eax, $0x98" : : "a"(0));
    asm volatile(".byte 0xf3; inb %%dx, %%al" : "=a"(a) : "d"(UNKNOWN));
    expect_equal(a, 0xff, "a REP prefix on plain IN is ignored");
}

static void scratch(void)
{
    outb(SCRATCH, 0x5a);
    expect_equal(inb(SCRATCH), 0x5a, "the UART's scratch register keeps a byte");
    outb(SCRATCH, 0xa5);
    expect_equal(inb(SCRATCH), 0xa5, "and another one");
}

static void wrap(void)
{
    expect_equal(inb(0xffff), 0xff, "port 0xffff reads 0xff");
    expect_equal(ATTEMPT("inw %%dx, %%ax", : : "d"(0xffff) : "rax"), NONE, "IN AX at 0xffff");
    expect_equal(ATTEMPT("inl %%dx, %%eax", : : "d"(0xfffd) : "rax"), NONE, "IN EAX at 0xfffd");
    expect_equal(ATTEMPT("outw %%ax, %%dx", : : "d"(0xffff), "a"(0)), NONE, "OUT AX at 0xffff");
    expect_equal(ATTEMPT("outl %%eax, %%dx", : : "d"(0xfffe), "a"(0)), NONE, "OUT EAX at 0xfffe");
}

int main(void)
{
    unknown_ports();
    immediate_forms();
    scratch();
    wrap();
    return 0;
}
