/*
 * Random runs of integer instructions, on registers and memory, give the same registers, memory and
 * flags at full speed as when they are stepped through one by one with TF: a processor that
 * compiles or fuses neighbouring instructions must not differ from one that takes each by itself.
 * Undefined flags included, which one processor sets by one rule.
 *
 * @row: 8 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

enum { ROUNDS = 1500, LONGEST = 40, CODE_BYTES = 4096, STATUS_FLAGS = 0x8d5 };

struct state {
    u64 gpr[16], flags;
    u64 memory_hash;
};
struct state at; /* loaded and stored by run_code() */
u64 own_stack;   /* run_code()'s RSP */
void run_code(const void *code);

/* Registers and flags from `at`, a call, and back to `at`. RSP is never loaded. */
asm(".globl run_code, run_code_end\n"
    "run_code:\n\t"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n\t"
    "mov at+0, %rax; mov at+8, %rcx; mov at+16, %rdx; mov at+24, %rbx\n\t"
    "mov at+40, %rbp; mov at+48, %rsi; mov at+56, %rdi; mov at+64, %r8; mov at+72, %r9\n\t"
    "mov at+80, %r10; mov at+88, %r11; mov at+96, %r12; mov at+104, %r13; mov at+112, %r14\n\t"
    "mov at+120, %r15\n\t"
    "push at+128; popfq\n\t"
    "call *(%rsp)\n"
    "run_code_end:\n\t"
    "pushfq; pop at+128\n\t"
    "mov %rax, at+0; mov %rcx, at+8; mov %rdx, at+16; mov %rbx, at+24\n\t"
    "mov %rbp, at+40; mov %rsi, at+48; mov %rdi, at+56; mov %r8, at+64; mov %r9, at+72\n\t"
    "mov %r10, at+80; mov %r11, at+88; mov %r12, at+96; mov %r13, at+104; mov %r14, at+112\n\t"
    "mov %r15, at+120\n\t"
    "pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n\t"
    "ret");
extern const u8 run_code_end[];

/* --- random code -------------------------------------------------------------------------- */

static u64 seed = 88172645463325252ull;
enum { BASE = 15, INDEX = 14, MIDDLE = 4096 - 24, REACH = 64 };
/* Registers BASE and INDEX are never written: the first points near the middle, where two pages
 * meet.
 */
static u8 memory[8192] __attribute__((aligned(4096)));
static u8 code[CODE_BYTES] __attribute__((aligned(4096)));
static u32 start, length; /* of the code made last: from code + start to code + length */

static u32 pick(u32 below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (u32)(seed >> 20) % below;
}

static void byte(u32 value)
{
    code[length++] = (u8)value;
}

static void immediate(u32 bytes)
{
    while (bytes--)
        byte(pick(4) ? pick(256) : pick(2) * 255);
}

/* Few registers in most sequences, so that they depend on each other. */
static u32 some_register(void)
{
    static const u8 all[13] = {0, 1, 3, 8, 2, 9, 10, 5, 6, 7, 11, 12, 13};
    return all[pick(pick(4) ? 6 : 13)];
}

/* Prefixes, opcode and ModRM of two registers. Size 1, 2, 4 or 8; `map`: 0 or 0x0f. */
static void two(u32 size, u32 map, u32 opcode, u32 reg, u32 rm)
{
    if (size == 2)
        byte(0x66);
    byte(0x40 | (size == 8) << 3 | (reg >> 3) << 2 | rm >> 3);
    if (map)
        byte(map);
    byte(opcode);
    byte(0xc0 | (reg & 7) << 3 | (rm & 7));
}

static void arithmetic(u32 size, u32 reg, u32 rm)
{
    u32 operation = pick(8);
    if (pick(2)) {
        two(size, 0, operation << 3 | pick(2) << 1 | (size > 1), reg, rm);
    } else if (size > 1 && pick(2)) {
        two(size, 0, 0x83, operation, rm);
        immediate(1);
    } else {
        two(size, 0, 0x80 | (size > 1), operation, rm);
        immediate(size == 8 ? 4 : size);
    }
}

static void address(u32 reg)
{
    u32 base = some_register(), index = some_register(), wide = pick(2);
    byte(0x40 | wide << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3);
    byte(0x8d);
    byte(0x84 | (reg & 7) << 3);
    byte(pick(4) << 6 | (index & 7) << 3 | (base & 7));
    immediate(4);
}

static void shift(u32 size, u32 rm)
{
    static const u8 kinds[] = {0, 1, 4, 5, 7};
    u32 wide = size == 8 ? 8 : 4, one = pick(3) == 0;
    two(wide, 0, one ? 0xd1 : 0xc1, kinds[pick(5)], rm);
    if (!one)
        byte(pick(64));
}

static void multiply(u32 size, u32 reg, u32 rm)
{
    u32 wide = size == 1 ? 4 : size;
    if (pick(2)) {
        two(wide, 0x0f, 0xaf, reg, rm);
        return;
    }
    two(wide, 0, 0x6b, reg, rm);
    immediate(1);
}

static void extend(u32 size, u32 reg, u32 rm)
{
    static const u8 opcodes[] = {0xb6, 0xb7, 0xbe, 0xbf};
    if (pick(5))
        two(size == 1 ? 4 : size, 0x0f, opcodes[pick(4)], reg, rm);
    else
        two(8, 0, 0x63, reg, rm);
}

static void unary(u32 size, u32 rm)
{
    u32 wide = size > 1;
    if (pick(2))
        two(size, 0, 0xfe | wide, pick(2), rm); /* INC, DEC */
    else
        two(size, 0, 0xf6 | wide, 2 + pick(2), rm); /* NOT, NEG */
}

static void test(u32 size, u32 reg, u32 rm)
{
    if (pick(2)) {
        two(size, 0, 0x84 | (size > 1), reg, rm);
        return;
    }
    two(size, 0, 0xf6 | (size > 1), 0, rm);
    immediate(size == 8 ? 4 : size);
}

/* A register or an extension, and memory at BASE, with the index or without. */
static void at_memory(u32 size, u32 map, u32 opcode, u32 reg)
{
    u32 indexed = pick(2);
    if (size == 2)
        byte(0x66);
    byte(0x40 | (size == 8) << 3 | (reg >> 3) << 2 | indexed << 1 | 1);
    if (map)
        byte(map);
    byte(opcode);
    byte(0x40 | (reg & 7) << 3 | (indexed ? 4 : BASE & 7));
    if (indexed)
        byte(pick(4) << 6 | (INDEX & 7) << 3 | (BASE & 7));
    byte(pick(REACH) - REACH / 2);
}

/* The target is the address: mov BASE, reg; mov disp(reg), reg. */
static void follow(u32 size, u32 reg)
{
    static const u8 able[] = {0, 1, 3, 8, 2, 9, 10, 11};
    u32 target = able[reg & 7];
    two(8, 0, 0x89, BASE, target);
    byte(0x40 | (size == 8) << 3 | (target >> 3) << 2 | target >> 3);
    byte(0x8b);
    byte(0x40 | (target & 7) << 3 | (target & 7));
    byte(pick(REACH) - REACH / 2);
}

static void load_or_store(u32 size, u32 reg)
{
    static const u8 extensions[] = {0xb6, 0xb7, 0xbe, 0xbf};
    u32 wide = size > 1;
    switch (pick(9)) {
    case 0:
    case 1:
        return at_memory(size, 0, 0x8a | wide, reg);
    case 2:
        return at_memory(size, 0, 0x88 | wide, reg);
    case 3:
        return at_memory(size, 0, pick(8) << 3 | pick(2) << 1 | wide, reg);
    case 4:
        at_memory(size, 0, 0x80 | wide, pick(8));
        return immediate(size == 8 ? 4 : size);
    case 5:
        return at_memory(size == 1 ? 4 : size, 0x0f, extensions[pick(4)], reg);
    case 6:
        at_memory(size, 0, 0xc6 | wide, 0);
        return immediate(size == 8 ? 4 : size);
    case 7:
        return at_memory(size == 1 ? 4 : size, 0x0f, pick(2) ? 0xaf : 0x40 | pick(16), reg);
    default:
        return follow(size == 8 ? 8 : 4, reg);
    }
}

static void instruction(void)
{
    u32 size = pick(4) ? 4u << pick(2) : 1u << pick(2), reg = some_register(), rm = some_register();
    switch (pick(20)) {
    case 0 ... 3:
        return arithmetic(size, reg, rm);
    case 4:
        return two(size, 0, 0x88 | pick(2) << 1 | (size > 1), reg, rm); /* MOV */
    case 5:
        return address(reg);
    case 6:
        return shift(size, rm);
    case 7:
        return multiply(size, reg, rm);
    case 8:
        return extend(size, reg, rm);
    case 9:
        return unary(size, rm);
    case 10:
        return test(size, reg, rm);
    case 11:
        return two(size == 1 ? 4 : size, 0x0f, 0x40 | pick(16), reg, rm); /* CMOV */
    case 12:
        return two(1, 0x0f, 0x90 | pick(16), 0, rm); /* SETcc */
    case 13 ... 18:
        return load_or_store(size, reg);
    default:
        two(size, 0, 0xc6 | (size > 1), 0, rm); /* MOV */
        immediate(size == 8 ? 4 : size);
    }
}

static void make_code(void)
{
    u32 count = 2 + pick(LONGEST);
    start = length = pick(16); /* at another place each time */
    while (count--)
        instruction();
    byte(0xc3);
}

/* --- comparing --------------------------------------------------------------------------- */

static u64 steps;

static void on_step(struct frame *f)
{
    steps++;
    if (f->rip == (u64)run_code_end)
        f->rflags &= ~(u64)FLAG_TF;
}

static void run(const struct state *from, u64 trap_flag, struct state *to)
{
    at = *from;
    at.flags |= trap_flag;
    for (u32 i = 0; i < 4 * REACH; i++)
        memory[MIDDLE - 2 * REACH + i] = (u8)(i * 37 + from->gpr[1]);
    run_code(code + start);
    *to = at;
    to->flags &= STATUS_FLAGS;
    to->memory_hash = 0;
    for (u32 i = 0; i < 4 * REACH; i++)
        to->memory_hash = fold(to->memory_hash, memory[MIDDLE - 2 * REACH + i]);
}

static bool same(const struct state *a, const struct state *b)
{
    bool good = a->flags == b->flags && a->memory_hash == b->memory_hash;
    for (u32 i = 0; i < 16; i++)
        good &= i == 4 || a->gpr[i] == b->gpr[i];
    return good;
}

static void show(const struct state *fast, const struct state *stepped)
{
    say("full speed and steps differ:");
    for (u32 i = start; i < length; i++)
        say(" %x", code[i]);
    say("\nflags %lx %lx, memory %lx %lx\n", fast->flags, stepped->flags, fast->memory_hash,
        stepped->memory_hash);
    for (u32 i = 0; i < 16; i++)
        if (fast->gpr[i] != stepped->gpr[i])
            say("register %u: %lx %lx\n", i, fast->gpr[i], stepped->gpr[i]);
}

static bool try_one(void)
{
    struct state from = {.flags = 2 | ((u64)pick(4096) & STATUS_FLAGS)}, fast, again, stepped;
    for (u32 i = 0; i < 16; i++)
        from.gpr[i] = pick(4) ? (u64)pick(~0u) << 32 | pick(~0u) : pick(3) - 1ull;
    from.gpr[BASE] = (u64)memory + MIDDLE;
    from.gpr[INDEX] = pick(8);
    make_code();
    run(&from, 0, &fast);
    run(&from, FLAG_TF, &stepped);
    run(&from, 0, &again);
    if (same(&fast, &stepped) && same(&fast, &again))
        return true;
    show(&fast, &stepped);
    return false;
}

int main(void)
{
    u32 different = 0;
    handlers[DB] = on_step;
    for (u32 i = 0; i < ROUNDS && different < 5; i++)
        different += !try_one();
    expect_equal(different, 0, "sequences that differ");
    expect(steps > 10 * ROUNDS, "they were stepped through");
    return 0;
}
