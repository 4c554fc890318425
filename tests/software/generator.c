/* The fuzzer's guests; see generator.h. */
#include "tests/software/generator.h"

#include <string.h>

#include "vmx/software/cpu.h"

/* --- the input -------------------------------------------------------------------------------- */

static struct {
    const u8 *at, *end;
    u8 *code; /* where the next byte of code goes */
    u32 room;
    u32 bits;
} g;

static u8 take(void)
{
    return g.at < g.end ? *g.at++ : 0;
}

static u64 take_bytes(u32 count)
{
    u64 value = 0;
    while (count--)
        value = value << 8 | take();
    return value;
}

#define PICK(table) table[take() % ARRAY_SIZE(table)]

/* Addresses where something begins, ends or is special. */
static u64 take_address(void)
{
    static const u64 places[] = {BARE_DATA,
                                 BARE_DATA,
                                 BARE_DATA,
                                 BARE_DATA + 0xff0,
                                 BARE_DATA + 0x1000,
                                 BARE_STACK,
                                 BARE_STACK - 64,
                                 BARE_CODE,
                                 BARE_CODE + 0x40,
                                 BARE_CODE + 0xff8,
                                 BARE_PML4,
                                 BARE_PDPT,
                                 BARE_PD,
                                 BARE_PT,
                                 BARE_ALIASES,
                                 BARE_GDT,
                                 BARE_IDT,
                                 BARE_TSS,
                                 BARE_LDT,
                                 BARE_HANDLERS,
                                 BARE_ALIAS,
                                 BARE_ALIAS + BARE_CODE,
                                 BARE_LARGE + BARE_CODE,
                                 BARE_LARGE + BARE_DATA,
                                 BARE_DEVICE + 0x80,
                                 BARE_NOT_USER + BARE_DATA,
                                 BARE_HUGE + BARE_CODE,
                                 BARE_HUGE + BARE_RAM,
                                 BARE_SELF,
                                 BARE_SELF + (1 << 12),
                                 BARE_HIGH + BARE_DATA,
                                 BARE_HIGH + BARE_CODE,
                                 BARE_RAM,
                                 BARE_RAM - 16,
                                 VGA_HOLE,
                                 VGA_HOLE_END - 8,
                                 0xfee00080,
                                 0,
                                 ~0ull,
                                 BIT(47) - 16,
                                 ~BIT(47) - 7,
                                 BIT(32) - 8,
                                 BARE_ALIAS + 51 * 0x1000 + BARE_CODE % 0x1000,
                                 BARE_PT_32,
                                 BARE_PD_32,
                                 BARE_PDPT_PAE};
    u64 place = PICK(places);
    u8 how = take();
    if (how & 0x80)
        return place + (u64)(i64)(i8)(how << 1);
    return how & 0x40 ? place + (take_bytes(2) & 0xfff) : place + how;
}

/* --- bytes of code ----------------------------------------------------------------------- */

static void put(u8 byte)
{
    if (!g.room)
        return;
    *g.code++ = byte;
    g.room--;
}

static void put_bytes(u64 value, u32 count)
{
    for (; count--; value >>= 8)
        put((u8)value);
}

static void put_text(const char *bytes, u32 count)
{
    while (count--)
        put((u8)*bytes++);
}
#define PUT(text) put_text(text, sizeof(text) - 1)

/* MOV reg, value; in the widest form that the mode has. */
static void put_load(u32 reg, u64 value)
{
    if (g.bits == 64)
        put(0x48 | reg >> 3);
    else if (g.bits == 16)
        put(0x66);
    put(0xb8 | (reg & 7));
    put_bytes(value, g.bits == 64 ? 8 : 4);
}

static void put_wide(void)
{
    if (g.bits == 64)
        put(0x48);
}

static void put_prefixes(void)
{
    static const u8 prefixes[] = {0x66, 0x66, 0x67, 0x64, 0x65, 0x2e, 0x36, 0xf0};
    u8 how = take();
    if (how < 0x60)
        return;
    if (how & 1)
        put(PICK(prefixes));
    if (how & 2 && g.bits == 64)
        put(0x40 | (how >> 2 & 15));
}

/* A ModRM byte with what follows it: register forms, [reg], [reg + disp], SIB. */
static void put_modrm(void)
{
    u8 modrm = take();
    if (g.bits != 16 && modrm >> 6 == 0 && (modrm & 7) == 5)
        modrm |= 0x40; /* no far displacement */
    put(modrm);
    if (modrm >> 6 == 3)
        return;
    if (g.bits != 16 && (modrm & 7) == 4)
        put(take());
    if (modrm >> 6 == 1)
        put(take());
    if (modrm >> 6 == 2)
        put_bytes(take_bytes(1) - 128, g.bits == 16 ? 2 : 4);
}

static const u16 selectors[] = {
    SEL_CODE64,    SEL_DATA,        SEL_CODE32, SEL_CODE16, SEL_DATA16,     SEL_CODE64_USER,
    SEL_DATA_USER, SEL_CODE32_USER, SEL_TSS,    SEL_LDT,    SEL_CONFORMING, SEL_DOWN,
    SEL_GATE,      SEL_TSS32,       0,          3,          SEL_DATA | 4,   SEL_DATA | 1,
    0xfff8,        SEL_LAST};

/* --- kinds of code ----------------------------------------------------------------------- */

static void code_raw(void)
{
    for (u32 n = take() % 8 + 1; n; n--)
        put(take());
}

static void code_address(void)
{
    u8 reg = take() & (g.bits == 64 ? 15 : 7);
    put_load(reg == RSP ? RBX : reg, take_address());
}

static void code_alu(void)
{
    static const u8 opcodes[] = {0x88, 0x89, 0x8a, 0x8b, 0x84, 0x85, 0x86, 0x87, 0x8d, 0x63, 0x8e,
                                 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff, 0x8c, 0x8f};
    u8 how = take();
    put_prefixes();
    put(how & 1 ? (u8)((how & 0x38) | (how >> 1 & 3)) : PICK(opcodes));
    put_modrm();
}

static void code_immediate(void)
{
    static const u8 opcodes[] = {0x80, 0x81, 0x83, 0x69, 0x6b, 0xc0, 0xc1, 0xc6, 0xc7};
    u8 opcode = PICK(opcodes);
    put_prefixes();
    put(opcode);
    put_modrm();
    put_bytes(take_bytes(1), opcode == 0x81 || opcode == 0x69 || opcode == 0xc7 ? 4 : 1);
}

static void code_two_byte(void)
{
    put_prefixes();
    put(0x0f);
    put(take());
    put_modrm();
    if (take() & 1)
        put(take());
}

static void code_vector(void)
{
    static const u8 prefixes[] = {0, 0x66, 0xf3, 0xf2};
    u8 prefix = PICK(prefixes), how = take();
    if (prefix)
        put(prefix);
    if (how & 8 && g.bits == 64)
        put(0x40 | (how & 15));
    put(0x0f);
    if (how >> 4 == 14)
        put(0x38);
    if (how >> 4 == 15)
        put(0x3a);
    put(take());
    put_modrm();
    if (how & 0x40)
        put(take());
}

/* SSSE3 to SSE4.2 by their maps, and CRC32. */
static void code_late_vector(void)
{
    static const u8 map38[] = {0x00, 0x01, 0x04, 0x08, 0x0b, 0x10, 0x14, 0x17, 0x1c, 0x20, 0x25,
                               0x28, 0x2a, 0x30, 0x35, 0x37, 0x38, 0x40, 0x41, 0xf0, 0xf1};
    static const u8 map3a[] = {0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0e, 0x0f, 0x14, 0x15, 0x16, 0x17,
                               0x20, 0x21, 0x22, 0x40, 0x41, 0x42, 0x60, 0x61, 0x62, 0x63};
    u8 how = take(), opcode = how & 1 ? PICK(map3a) : PICK(map38);
    put(opcode >= 0xf0 ? 0xf2 : 0x66);
    if (how & 2 && g.bits == 64)
        put(0x40 | how >> 4);
    put(0x0f), put(how & 1 ? 0x3a : 0x38), put(opcode);
    put_modrm();
    if (how & 1)
        put(take());
}

/* BMI1 and BMI2; with some of the bits that make them undefined. */
static void code_vex(void)
{
    static const u8 opcodes[] = {0xf2, 0xf3, 0xf5, 0xf6, 0xf7, 0xf0};
    u8 how = take(), opcode = PICK(opcodes);
    put(0xc4);
    put((how & 0xe0) | (opcode == 0xf0 ? 3 : 2));
    put(take() & (how & 1 ? 0xff : 0xfb));
    put(opcode);
    put_modrm();
    if (opcode == 0xf0)
        put(take());
}

/* MXCSR or the x87 control word, with exceptions unmasked. */
static void code_unmask(void)
{
    u8 how = take();
    put_load(RBX, BARE_DATA);
    put(0xc7), put(0x03), put_bytes(take_bytes(2), g.bits == 16 ? 2 : 4);
    if (how & 1)
        PUT("\x0f\xae\x13"); /* LDMXCSR [rbx] */
    else
        PUT("\xd9\x2b"); /* FLDCW [rbx] */
}

static void code_x87(void)
{
    put(0xd8 | (take() & 7));
    put_modrm();
}

static void code_string(void)
{
    static const u8 opcodes[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac,
                                 0xad, 0xae, 0xaf, 0x6c, 0x6e, 0xa4, 0xab};
    u8 how = take();
    if (how & 1)
        put_load(RDI, take_address());
    if (how & 2)
        put_load(RSI, take_address());
    put_load(RCX, how & 4 ? take_bytes(2) & 0xfff : take());
    if (how & 8)
        put(how & 0x80 ? 0xfd : 0xfc);
    if (how & 16)
        put(how & 32 ? 0xf2 : 0xf3);
    if (how & 64)
        put_wide();
    put(PICK(opcodes));
}

static void code_branch(void)
{
    u8 how = take(), by = take();
    switch (how & 7) {
    case 0:
    case 1:
    case 2:
        put(0x70 | how >> 4);
        put(by & 0x1f);
        break;
    case 3:
        put(0x83), put(0xe8 | (how >> 3 & 3)), put(1); /* SUB, JNZ backwards */
        put(0x75), put((u8)(-1 - (by & 0x1f)));
        break;
    case 4:
        put(0xe2), put((u8)(-(by & 0x3f)));
        break;
    case 5:
        put(0xeb), put(by & 0x1f);
        break;
    case 6:
        put(0xe8), put_bytes(by & 0x1f, g.bits == 16 ? 2 : 4);
        break;
    default:
        put_load(RAX, take_address());
        put(0xff), put(how & 0x80 ? 0xe0 : 0xd0);
    }
}

static void code_stack(void)
{
    static const u8 opcodes[] = {0x9c, 0x9d, 0xc9, 0xc3, 0x60, 0x61, 0x06, 0x07, 0x0e, 0x16, 0x17};
    u8 how = take();
    put_prefixes();
    if (how & 1) {
        put((u8)(0x50 | (how >> 1 & 15)));
    } else if (how & 2) {
        put(PICK(opcodes));
    } else if (how & 4) {
        put(0xc8), put_bytes(take(), 2), put(take() & 31);
    } else {
        put(0x68), put_bytes(take_bytes(2), g.bits == 16 ? 2 : 4);
    }
}

static void put_cr8_prefix(u8 reg)
{
    if (reg == 8)
        put(g.bits == 64 ? 0x44 : 0xf0);
}

static void code_control(void)
{
    static const u64 values[] = {0x80010031,
                                 0x80000031,
                                 0x00000031,
                                 0x80010039,
                                 0x8005003b,
                                 0x30,
                                 0x80010035,
                                 0x620,
                                 0x6a0,
                                 0x6b0,
                                 0x1006a0,
                                 0x2006a0,
                                 0x3006a0,
                                 0x620,
                                 0x600,
                                 BARE_PML4,
                                 BARE_PML4 + 0x18,
                                 BARE_PDPT_PAE,
                                 BARE_PD_32,
                                 0xfee00000,
                                 BARE_RAM,
                                 15,
                                 8,
                                 0x10,
                                 BIT(36)};
    static const u8 registers[] = {0, 3, 3, 4, 4, 8, 2, 3};
    u8 how = take(), reg = PICK(registers);
    if (how & 1) {
        put_cr8_prefix(reg);
        put(0x0f), put(0x20), put(0xc0 | (reg & 7) << 3); /* reloads it */
        if (how & 2)
            put_wide(), put(0x0f), put(0xba), put(how & 4 ? 0xe8 : 0xf8), put(how >> 3 & 31);
    } else {
        put_load(RAX, PICK(values));
    }
    put_cr8_prefix(reg);
    put(0x0f), put(0x22), put(0xc0 | (reg & 7) << 3);
}

static void code_msr(void)
{
    static const u32 msrs[] = {0x174,      0x175,      0x176,      0x277,      0xc0000080,
                               0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100,
                               0xc0000101, 0xc0000102, 0x1b,       0x10,       0x6e0};
    u8 how = take();
    u64 value = how & 2   ? take_address()
                : how & 4 ? 0x001b000800000000
                : how & 8 ? PICK(selectors)
                          : take_bytes(2);
    put_load(RCX, PICK(msrs));
    put_load(RAX, (u32)value);
    put_load(RDX, value >> 32);
    put(0x0f), put(how & 1 ? 0x32 : 0x30);
}

static void code_invalidate(void)
{
    put_load(RBX, take_address());
    put(0x0f), put(0x01), put(0x3b); /* INVLPG [rbx] */
}

/* An entry of a page table in force becomes something else. */
static u64 take_entry(void)
{
    static const u64 frames[] = {0,
                                 BARE_DATA,
                                 BARE_CODE,
                                 BARE_CODE,
                                 BARE_PML4,
                                 BARE_PT,
                                 0xfee00000,
                                 BARE_RAM,
                                 BARE_PD,
                                 BARE_STACK - 0x1000,
                                 BARE_CODE + 0x1000,
                                 VGA_HOLE,
                                 BARE_HANDLERS,
                                 BIT(35)};
    static const u64 high[] = {0, 0, 0, 0, 0, BIT(63), BIT(36), BIT(51)};
    return PICK(frames) | (take_bytes(2) & 0x1ff) | PICK(high) | (take() & 3 ? 1 : 0);
}

static u64 take_entry_place(void)
{
    static const u16 tables[] = {BARE_PT,   BARE_PT,   BARE_ALIASES, BARE_PD,
                                 BARE_PDPT, BARE_PML4, BARE_PT_32};
    static const u16 entries[] = {0,   0x20, 0x20, 0x21, 0x30, 0x31, 0x17,
                                  0x9, 0xa,  0xb,  1,    2,    4,    511};
    return PICK(tables) + 8u * PICK(entries);
}

static void code_page_table(void)
{
    u8 how = take();
    u64 entry = take_entry();
    put_load(RBX, (how & 0x80 ? BARE_LARGE : 0) + take_entry_place());
    put_load(RAX, entry);
    if (how & 0x40) {
        put_wide(), PUT("\x0f\xba\x33"), put(how & 0x20 ? 6 : 5); /* BTR [rbx], D or A */
    } else {
        put_wide(), PUT("\x89\x03");
    }
    if (how & 1)
        PUT("\x0f\x20\xda\x0f\x22\xda"); /* MOV CR3, CR3 by RDX */
    else if (how & 2)
        code_invalidate();
}

/* Writes into code: what runs, what follows, through any of its addresses. */
static void code_self(void)
{
    static const u64 ways[] = {0, 0, BARE_LARGE, BARE_HUGE, BARE_HIGH, BARE_NOT_USER};
    u8 how = take();
    u64 here = (u64)(g.code - bare_ram(0)), way = g.bits == 64 ? PICK(ways) : 0;
    if (g.bits == 16)
        here -= BARE_CODE;
    put_load(RBX, way + here + (how & 0x1f) + 4);
    switch (how >> 5 & 3) {
    case 0:
        put(0xc6), put(0x03), put(take());
        break;
    case 1:
        put(0xc7), put(0x03), put_bytes(take_bytes(4), g.bits == 16 ? 2 : 4);
        break;
    case 2:
        put_wide(), PUT("\x01\x03"); /* ADD [rbx], rax */
        break;
    default: /* REP STOS over what comes, itself too */
        put_wide(), PUT("\x89\xdf");
        put_load(RCX, take() & 0x3f);
        put(0xb0), put(take()), PUT("\xf3\xaa");
    }
}

static void code_interrupt(void)
{
    static const u8 vectors[] = {0x80, 0x22, 3, 4, 1, 0, 13, 14, 8, 0x41, 255};
    u8 how = take();
    switch (how & 3) {
    case 0:
        put(0xcd), put(PICK(vectors));
        break;
    case 1:
        put(how & 4 ? 0xcc : how & 8 ? 0xce : 0xf1);
        break;
    default:
        put_wide(), put(0xcf);
    }
}

static void put_push(u64 value)
{
    put_load(RAX, value);
    put(0x50);
}

/* Far returns and IRET with a frame made for them; most lead behind themselves. */
static void code_far(void)
{
    static const u16 pairs[][2] = {{SEL_CODE64_USER, SEL_DATA_USER},
                                   {SEL_CODE32_USER, SEL_DATA_USER},
                                   {SEL_CODE64, SEL_DATA},
                                   {SEL_CODE32, SEL_DATA}};
    u8 how = take();
    const u16 *pair = PICK(pairs);
    u32 words = how & 1 ? 5 : 2, push = g.bits == 64 ? 11 : g.bits == 32 ? 6 : 7;
    u64 here = (u64)(g.code - bare_ram(0)) - (g.bits == 16 ? BARE_CODE : 0);
    u64 target = here + words * push + (g.bits == 64 ? 2 : 1);
    if (how & 1) {
        put_push(how & 0x20 ? PICK(selectors) : pair[1]);
        put_push(BARE_STACK - 0x400);
        put_push(2 | (take_bytes(3) & 0x257fd5));
    }
    put_push(how & 0x80 ? PICK(selectors) : pair[0]);
    put_push(how & 0x40 ? take_address() : target);
    put_wide(), put(how & 1 ? 0xcf : 0xcb);
}

static void code_segment(void)
{
    u8 how = take();
    put_load(RAX, PICK(selectors));
    switch (how & 7) {
    case 0:
        PUT("\x0f\x00\xd8"); /* LTR */
        break;
    case 1:
        PUT("\x0f\x00\xd0"); /* LLDT */
        break;
    case 2:
    case 3:
        put(0x8e), put(0xd0); /* MOV SS */
        break;
    case 4:
        put(0x0f), put(how & 8 ? 2 : 3), put(0xc8); /* LAR, LSL */
        break;
    case 5:
        PUT("\x0f\x00"), put(how & 8 ? 0xe0 : 0xe8); /* VERR, VERW */
        break;
    default:
        put(0x8e), put(0xc0 | (how >> 1 & 0x38));
    }
}

static void code_flags(void)
{
    static const char *const texts[] = {"\xfa", "\xfb",     "\xfb\xfb",     "\xfc",         "\xfd",
                                        "\xf4", "\x0f\x06", "\x0f\x01\xca", "\x0f\x01\xcb", "\x9b"};
    u8 how = take();
    if (how & 1) {
        put_load(RAX, 2 | (take_bytes(3) & 0x257fd5));
        put(0x50), put(0x9d);
    } else {
        const char *text = PICK(texts);
        put_text(text, (u32)strlen(text));
    }
}

static void code_debug(void)
{
    static const u8 registers[] = {0, 1, 2, 3, 6, 7, 7, 7};
    static const u64 values[] = {0x401, 0xd0401,    0x10401, 0x30401,
                                 0x400, 0xffff0ff0, 0x2400,  0xff00};
    u8 how = take(), reg = PICK(registers);
    u64 value = reg < 4 ? take_address() : PICK(values);
    if (reg < 4 && how & 2)
        value = (u64)(g.code - bare_ram(0)) + (how >> 3) - (g.bits == 16 ? BARE_CODE : 0);
    put_load(RAX, value);
    put(0x0f), put(how & 1 ? 0x23 : 0x21), put(0xc0 | reg << 3);
}

static void code_table(void)
{
    u8 how = take();
    put_load(RBX, BARE_DATA + 0x80 + (how & 0x10));
    if (how & 8) { /* a table with a limit and base of its own */
        put(0x66), PUT("\xc7\x03"), put_bytes(take_bytes(2), 2);
        put_wide(), PUT("\xc7\x43\x02"), put_bytes(take_address(), g.bits == 16 ? 2 : 4);
    }
    put(0x0f), put(0x01), put(0x03 | (how & 3) << 3);
}

static void code_system(void)
{
    static const char *const texts[] = {"\x0f\xa2",
                                        "\x0f\x31",
                                        "\x0f\x01\xf9",
                                        "\xf3\x90",
                                        "\x0f\x09",
                                        "\x0f\x08",
                                        "\x0f\x05",
                                        "\x0f\x07",
                                        "\x48\x0f\x07",
                                        "\x0f\x34",
                                        "\x0f\x35",
                                        "\x0f\x01\xf8",
                                        "\x0f\x01\xc1",
                                        "\x0f\x33",
                                        "\xec",
                                        "\xee",
                                        "\xe4\x80",
                                        "\xe6\x80",
                                        "\x0f\xae\x03",
                                        "\x0f\xae\x0b",
                                        "\x0f\xae\x13",
                                        "\x0f\xae\x1b",
                                        "\x48\x0f\xae\x03",
                                        "\xdb\xe3",
                                        "\xdd\x33",
                                        "\xdd\x23",
                                        "\xd9\x33",
                                        "\x0f\x77",
                                        "\x0f\xc7\x0b",
                                        "\x48\x0f\xc7\x0b",
                                        "\xf0\x0f\xb1\x03",
                                        "\x0f\x01\xe0",
                                        "\x0f\x01\xf0",
                                        "\xd7",
                                        "\x0f\x0b"};
    const char *text = PICK(texts);
    put_text(text, (u32)strlen(text));
}

/* Fills a stretch with one byte: pages full of one instruction, jumps that land anywhere. */
static void code_fill(void)
{
    static const char *const texts[] = {"\x8e\xd0", "\x90", "\xfb", "\x17", "\x58", "\xab", "\xf1"};
    const char *text = PICK(texts);
    for (u32 n = take(); n; n--)
        put_text(text, (u32)strlen(text));
}

static void code_move_on(void) /* the rest goes over the page's end */
{
    u64 here = (u64)(g.code - bare_ram(0)), end = (here | 0xfff) - (take() & 15);
    u64 skip = end > here ? end - here : 0;
    if (g.room < skip + 8)
        return;
    put(0xe9), put_bytes(skip, g.bits == 16 ? 2 : 4);
    g.code += skip;
    g.room -= (u32)skip;
}

static void (*const kinds[])(void) = {
    code_raw,         code_raw,         code_address, code_address,    code_alu,
    code_alu,         code_alu,         code_alu,     code_immediate,  code_immediate,
    code_two_byte,    code_two_byte,    code_vector,  code_vector,     code_x87,
    code_late_vector, code_late_vector, code_vex,     code_unmask,     code_string,
    code_string,      code_branch,      code_branch,  code_branch,     code_stack,
    code_stack,       code_control,     code_msr,     code_invalidate, code_page_table,
    code_page_table,  code_self,        code_self,    code_interrupt,  code_far,
    code_segment,     code_flags,       code_debug,   code_table,      code_system,
    code_system,      code_fill,        code_move_on};

/* --- around the code --------------------------------------------------------------------- */

static void change_memory(void)
{
    for (u32 n = take() % 5; n; n--) {
        u8 how = take();
        if (how & 1)
            bare_poke(take_entry_place(), take_entry());
        else
            bare_ram(take_address() % (BARE_RAM - 8))[how & 7] ^= take();
    }
}

static void set_registers(void)
{
    static const u64 values[] = {BARE_DATA,          BARE_DATA + 0x1000, BARE_DATA + 0x0ffc,
                                 BARE_STACK,         BARE_ALIAS,         1,
                                 BARE_DATA + 0x2ff8, 0x8000000000000000};
    struct vcpu *v = &bare.h.vcpu;
    for (u32 i = 0; i < GPR_COUNT; i++)
        if (i != RSP)
            v->gpr[i] = g.bits == 16 ? 0x100 * i : values[(i + g.bits) % ARRAY_SIZE(values)];
    for (u32 n = take() % 4; n; n--)
        v->gpr[take() % GPR_COUNT] = take_address();
    v->count = COUNT_START;
    v->rflags = 2 | (take_bytes(3) & 0x247fd5 & ~(u64)RF_VM) | (v->rflags & RF_VM);
    for (u32 i = 0; i < 0x1000; i += 8)
        bare_poke(BARE_DATA + 0x1000 + i, i * 0x0101010101010101ull);
}

static void plan_outside(struct plan *plan)
{
    static const u32 events[] = {EVENT(EVENT_EXTERNAL, 0x41),
                                 EVENT(EVENT_EXTERNAL, 0x22),
                                 EVENT(EVENT_NMI, 2),
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_UD),
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DB),
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_PF) | EVENT_HAS_ERROR,
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR};
    static const u64 entries[] = {0, 1, 2, 3, 4, 5, 6, 7};
    u64 at = COUNT_START;
    plan->events = take() % (EVENTS_MAX + 1);
    for (u32 i = 0; i < plan->events; i++) {
        at += 1 + take();
        plan->event[i] = (struct happening){at, PICK(events), take()};
    }
    plan->holes = take() % (HOLES_MAX + 1);
    for (u32 i = 0; i < plan->holes; i++)
        plan->hole[i] = (struct hole){take_address() % BARE_RAM & ~0xfffull, PICK(entries)};
    u8 how = take();
    plan->exception_bitmap = how & 1 ? (u32)take_bytes(4) : 0;
    plan->page_fault_mask = how & 2 ? take() & 31 : 0;
    plan->page_fault_match = how & 4 ? take() & 31 : 0;
    plan->windows = how & 8;
    plan->tpr_threshold = how & 16 ? take() & 15 : 0;
}

void generate(const u8 *data, size_t size, struct plan *plan)
{
    static const u16 bits[BARE_MODES] = {64, 64, 32, 32, 32, 32, 16, 16, 16, 16};
    memset(plan, 0, sizeof(*plan));
    g.at = data, g.end = data + size;
    u8 mode = take();
    plan->mode = mode & 0x40 ? (enum bare_mode)(mode & 1) : (enum bare_mode)(mode % BARE_MODES);
    plan->end = COUNT_START + 100 + 8ull * take();
    plan->seed = take_bytes(2);
    bare_start(plan->mode);
    g.bits = bits[plan->mode];
    g.code = bare_ram(BARE_CODE), g.room = 0x2000;
    plan_outside(plan);
    set_registers();
    change_memory();
    while (g.at < g.end && g.room)
        PICK(kinds)();
    if (g.room) /* and again */
        put(0xe9), put_bytes(BARE_CODE - (u64)(g.code + (g.bits == 16 ? 2 : 4) - bare_ram(0)),
                             g.bits == 16 ? 2 : 4);
}
