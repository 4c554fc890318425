/*
 * INS and OUTS with and without REP: both directions, each size, buffers across
 * pages, address-size prefix, segment base, restart after a page fault in the
 * middle with RCX, RSI and RDI right (SDM vol. 2A INS, OUTS; 7.3.9.2).
 *
 * @row: 9 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

enum { COM1 = 0x3f8, UNKNOWN = 0x1230, WINDOW = 0x40000000, HOLE = WINDOW + 0x1000 };
static u8 buffer[64] __attribute__((aligned(16)));

static void fill(u8 byte)
{
    for (u32 i = 0; i < sizeof buffer; i++)
        buffer[i] = byte;
}

static bool all(u32 from, u32 to, u8 byte)
{
    for (u32 i = from; i < to; i++)
        if (buffer[i] != byte)
            return false;
    return true;
}

#define INS(size, bytes)                                                                           \
    do {                                                                                           \
        u64 rdi = (u64)buffer + 8, rcx = 4;                                                        \
        fill(0);                                                                                   \
        asm volatile("cld; rep ins" #size : "+D"(rdi), "+c"(rcx) : "d"(UNKNOWN) : "memory");       \
        expect(rcx == 0 && rdi == (u64)buffer + 8 + 4 * bytes, "REP INS" #size ": RDI and RCX");   \
        expect(all(0, 8, 0) && all(8, 8 + 4 * bytes, 0xff) && all(8 + 4 * bytes, 64, 0),           \
               "REP INS" #size ": the bytes asked for and no other");                              \
        rdi = (u64)buffer + 32, rcx = 4;                                                           \
        fill(0);                                                                                   \
        asm volatile("std; rep ins" #size "; cld"                                                  \
                     : "+D"(rdi), "+c"(rcx)                                                        \
                     : "d"(UNKNOWN)                                                                \
                     : "memory");                                                                  \
        expect(rcx == 0 && rdi == (u64)buffer + 32 - 4 * bytes, "DF=1: RDI and RCX");              \
        expect(all(0, 32 - 3 * bytes, 0) && all(32 - 3 * bytes, 32 + bytes, 0xff), "DF=1: bytes"); \
    } while (0)

static void in_strings(void)
{
    INS(b, 1);
    INS(w, 2);
    INS(l, 4);
    u64 rdi = (u64)buffer, rcx = 0;
    fill(0);
    asm volatile("rep insb" : "+D"(rdi), "+c"(rcx) : "d"(UNKNOWN) : "memory");
    expect(rdi == (u64)buffer && all(0, 64, 0), "RCX=0 does nothing");
    asm volatile("insb" : "+D"(rdi) : "d"(UNKNOWN) : "memory");
    expect(rdi == (u64)buffer + 1 && buffer[0] == 0xff && buffer[1] == 0, "INSB without REP");
    rdi = 0xabcd00000000ull | (u64)buffer;
    rcx = 0x100000002;
    fill(0);
    asm volatile("addr32 rep insb" : "+D"(rdi), "+c"(rcx) : "d"(UNKNOWN) : "memory");
    expect(all(0, 2, 0xff) && all(2, 64, 0), "address-size prefix: EDI and ECX count");
    expect(rdi == (u64)buffer + 2 && rcx == 0, "and their upper halves are cleared");
}

static void out_strings(void)
{
    const char *text = "REP OUTSB says this\n", *reversed = "\nsdrawkcab siht dna";
    u64 rsi = (u64)text, rcx = 20;
    asm volatile("cld; rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(COM1) : "memory");
    expect(rcx == 0 && rsi == (u64)text + 20, "REP OUTSB: RSI and RCX");
    rsi = (u64)reversed + 18;
    rcx = 19;
    asm volatile("std; rep outsb; cld" : "+S"(rsi), "+c"(rcx) : "d"(COM1) : "memory");
    expect(rcx == 0 && rsi == (u64)reversed - 1, "REP OUTSB with DF=1");
    rsi = (u64)buffer;
    rcx = 3;
    asm volatile("rep outsw" : "+S"(rsi), "+c"(rcx) : "d"(UNKNOWN) : "memory");
    expect(rcx == 0 && rsi == (u64)buffer + 6, "REP OUTSW");
    rcx = 3;
    asm volatile("rep outsl" : "+S"(rsi), "+c"(rcx) : "d"(UNKNOWN) : "memory");
    expect(rcx == 0 && rsi == (u64)buffer + 18, "REP OUTSL");
    static const char marked[] = "by FS\n";
    wrmsr(MSR_FS_BASE, (u64)marked);
    rsi = 0;
    rcx = 6;
    asm volatile("rep outsb %%fs:(%%rsi), %%dx" : "+S"(rsi), "+c"(rcx) : "d"(COM1) : "memory");
    expect(rcx == 0 && rsi == 6, "REP OUTSB with a segment override");
}

static void across_pages(void)
{
    static u8 low[4096] __attribute__((aligned(4096))), high[4096] __attribute__((aligned(4096)));
    paging_map(WINDOW, (u64)high, PTE_P | PTE_W); /* pages not neighbours in RAM */
    paging_map(HOLE, (u64)low, PTE_P | PTE_W);
    u64 rdi = HOLE - 6, rcx = 3;
    asm volatile("rep insl" : "+D"(rdi), "+c"(rcx) : "d"(UNKNOWN) : "memory");
    expect(high[4089] == 0 && high[4090] == 0xff && high[4095] == 0xff, "INSL: first page");
    expect(low[0] == 0xff && low[5] == 0xff && low[6] == 0, "INSL: second page");
    const char *text = "two pages\n";
    for (u32 i = 0; i < 10; i++)
        *(char *)((u64)WINDOW + 4096 - 4 + i) = text[i];
    u64 rsi = WINDOW + 4096 - 4;
    rcx = 10;
    asm volatile("rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(COM1) : "memory");
    expect_equal(rcx, 0, "REP OUTSB across a page");
}

static volatile u64 fault_rcx, fault_pointer, faults, fault_error;

static void repair(struct frame *f)
{
    faults++;
    fault_rcx = f->rcx;
    fault_error = f->error;
    fault_pointer = read_cr2();
    paging_map(HOLE, (u64)page_alloc(), PTE_P | PTE_W);
    for (u32 i = 0; i < 6; i++)
        ((u8 *)HOLE)[i] = (u8) "eated\n"[i];
}

static void restart(void)
{
    const char *text = "rep";
    for (u32 i = 0; i < 3; i++)
        *(char *)((u64)HOLE - 3 + i) = text[i];
    paging_map(HOLE, 0, 0);
    handlers[PF] = repair;
    u64 rsi = HOLE - 3, rcx = 9;
    asm volatile("rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(COM1) : "memory");
    expect(faults == 1 && fault_rcx == 6 && fault_pointer == HOLE && fault_error == 0,
           "#PF in REP OUTSB: RCX counts what was done");
    expect(rcx == 0 && rsi == HOLE + 6, "and it is finished after the restart");
    paging_map(HOLE, 0, 0);
    faults = 0;
    u64 rdi = HOLE - 4;
    rcx = 3;
    asm volatile("rep insw" : "+D"(rdi), "+c"(rcx) : "d"(UNKNOWN) : "memory");
    expect(faults == 1 && fault_rcx == 1 && fault_pointer == HOLE && fault_error == 2,
           "#PF in REP INSW: a write fault, RCX right");
    expect(rcx == 0 && rdi == HOLE + 2 && *(u16 *)HOLE == 0xffff, "and it is finished");
    handlers[PF] = NULL;
}

static void refused(void)
{
    u64 wild = 0x8000000000000000;
    expect_equal(ATTEMPT("outsb",
                         : "+S"(wild)
                         : "d"(UNKNOWN)
                         : "memory"),
                 GP, "OUTSB from a non-canonical address raises #GP");
    wild = 0x8000000000000000;
    expect_equal(ATTEMPT("insb",
                         : "+D"(wild)
                         : "d"(UNKNOWN)
                         : "memory"),
                 GP, "INSB to a non-canonical address raises #GP");
    write_cr0(read_cr0() | CR0_WP);
    paging_map(HOLE, 0x600000, PTE_P);
    u64 rdi = HOLE;
    expect_equal(ATTEMPT("insb",
                         : "+D"(rdi)
                         : "d"(UNKNOWN)
                         : "memory"),
                 PF, "INSB to a read-only page raises #PF");
    expect(trap.error == 3 && trap.cr2 == HOLE && rdi == HOLE, "error 3, and RDI stays");
}

int main(void)
{
    paging_own();
    in_strings();
    out_strings();
    across_pages();
    restart();
    refused();
    return 0;
}
