/*
 * The store of thunks, and SSE to SSE4.2 and MMX by them (thunk_forms.c says which). Code is
 * written through one mapping and run through another: no page is writable and executable at once.
 */
#define _GNU_SOURCE /* memfd_create */
#include "vmx/software/thunk.h"

#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/crc.h"
#include "vmx/software/exec.h"

enum { STORE_BYTES = 8 << 20, FORMS = 1 << 17 };

static struct {
    u8 *write, *run, *frame_end;
    u64 used;
    struct {
        u64 key;
        thunk_fn fn;
    } forms[FORMS];
    u32 count;
} store;

static u8 *guarded_page(void)
{
    u8 *at = mmap(NULL, 3 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE))
        return NULL;
    return at + PAGE_SIZE;
}

void *thunk_frame(u32 bytes)
{
    return store.frame_end ? store.frame_end - bytes : NULL;
}

static bool open_store(void)
{
    u8 *page = guarded_page();
    int descriptor = memfd_create("hindvisor-thunks", MFD_CLOEXEC);
    if (!page || descriptor < 0 || ftruncate(descriptor, STORE_BYTES))
        return false;
    store.frame_end = page + PAGE_SIZE;
    store.write = mmap(NULL, STORE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    store.run = mmap(NULL, STORE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, descriptor, 0);
    close(descriptor);
    return store.write != MAP_FAILED && store.run != MAP_FAILED;
}

thunk_fn thunk_for(u64 key, const u8 *code, u32 length)
{
    u32 at = (u32)mix64(key) & (FORMS - 1);
    if (!store.write && !open_store())
        return NULL;
    for (; store.forms[at].fn; at = (at + 1) & (FORMS - 1))
        if (store.forms[at].key == key)
            return store.forms[at].fn;
    if (store.used + length > STORE_BYTES || store.count > FORMS / 4 * 3)
        return NULL;
    memcpy(store.write + store.used, code, length);
    store.forms[at].key = key;
    store.forms[at].fn = (thunk_fn)(store.run + store.used);
    store.used += align_up(length, 16);
    store.count++;
    return store.forms[at].fn;
}

void emit(struct code *code, u32 count, ...)
{
    va_list bytes;
    va_start(bytes, count);
    while (count--)
        code->bytes[code->length++] = (u8)va_arg(bytes, int);
    va_end(bytes);
}

/* --- the routine ------------------------------------------------------------------------- */

static void emit_opcode(struct code *code, const struct insn *insn, const struct form *f)
{
    static const u8 prefixes[] = {0, 0x66, 0xf3, 0xf2};
    enum pp pp = thunk_prefix(insn);
    bool reg_high = f->reg == ROLE_GPR,
         rm_high = !insn->has_memory && f->rm == ROLE_GPR; /* r9, r10 */
    u8 rex = (insn->rex & 8) | (reg_high ? 4 : 0) | (rm_high ? 1 : 0);
    bool same = !insn->has_memory && f->reg == f->rm && insn->reg == insn->rm;
    u8 reg = f->reg == ROLE_EXTENSION ? insn->reg & 7 : 1, rm = rm_high ? 2 : same ? 1 : 2;
    if (pp)
        emit(code, 1, prefixes[pp]);
    if (rex)
        emit(code, 1, 0x40 | rex);
    emit(code, 1, 0x0f);
    if (insn->map != MAP_0F)
        emit(code, 1, insn->map == MAP_0F38 ? 0x38 : 0x3a);
    emit(code, 1, insn->opcode);
    if (insn->has_memory)
        emit(code, 2, 0x40 | reg << 3 | 7, 112); /* [rdi + 112] */
    else
        emit(code, 1, 0xc0 | reg << 3 | rm);
    if (insn->immediate_size)
        emit(code, 1, (u8)insn->immediate);
}

static void emit_load(struct code *code, bool mmx)
{
    emit(code, 3, 0x0f, 0x10, 0x0f);     /* movups xmm1, [rdi] */
    emit(code, 4, 0x0f, 0x10, 0x57, 16); /* movups xmm2, [rdi+16] */
    emit(code, 4, 0x0f, 0x10, 0x47, 32); /* movups xmm0, [rdi+32] */
    emit(code, 4, 0x4c, 0x8b, 0x4f, 64); /* mov r9, [rdi+64] */
    emit(code, 4, 0x4c, 0x8b, 0x57, 72); /* mov r10, [rdi+72] */
    emit(code, 4, 0x48, 0x8b, 0x47, 80); /* mov rax, [rdi+80] */
    emit(code, 4, 0x48, 0x8b, 0x57, 88); /* mov rdx, [rdi+88] */
    if (mmx)
        emit(code, 8, 0x0f, 0x6f, 0x4f, 48, 0x0f, 0x6f, 0x57, 56); /* movq mm1, mm2 */
}

static void emit_save(struct code *code, bool mmx)
{
    emit(code, 4, 0x9c, 0x8f, 0x47, 104); /* pushfq; pop [rdi+104] */
    emit(code, 3, 0x0f, 0x11, 0x0f);
    emit(code, 4, 0x0f, 0x11, 0x57, 16);
    emit(code, 4, 0x0f, 0x11, 0x47, 32);
    emit(code, 4, 0x4c, 0x89, 0x4f, 64);
    emit(code, 4, 0x4c, 0x89, 0x57, 72);
    emit(code, 4, 0x48, 0x89, 0x4f, 96); /* mov [rdi+96], rcx */
    if (mmx)
        emit(code, 10, 0x0f, 0x7f, 0x4f, 48, 0x0f, 0x7f, 0x57, 56, 0x0f, 0x77);
    emit(code, 1, 0xc3);
}

static thunk_fn make_thunk(const struct insn *insn, const struct form *f)
{
    struct code code = {.length = 0};
    bool mmx = f->reg == ROLE_MM || f->rm == ROLE_MM;
    emit_load(&code, mmx);
    u32 start = code.length;
    emit_opcode(&code, insn, f);
    u64 key = 1;
    for (u32 i = start; i < code.length; i++)
        key = key * 257 + code.bytes[i] + 1;
    emit_save(&code, mmx);
    return thunk_for(mix64(key) | 1, code.bytes, code.length);
}

/* --- running it -------------------------------------------------------------------------- */

/* An MMX register takes part: CVTPI2PS and CVTPI2PD from memory stay out of MMX state. */
static bool uses_mmx(const struct insn *insn, const struct form *f)
{
    return f->reg == ROLE_MM || (f->rm == ROLE_MM && !insn->has_memory);
}

static void check_available(struct cpu *c, const struct form *f, bool mmx)
{
    bool mmx_only = f->reg == ROLE_MM && f->rm != ROLE_XMM;
    if (V(GUEST_CR0) & CR0_EM || (!mmx_only && !(V(GUEST_CR4) & CR4_OSFXSR)))
        raise_ud(c);
    if (V(GUEST_CR0) & CR0_TS)
        raise_plain(c, VECTOR_NM);
    if (mmx && c->x87.fsw & 0x80)
        raise_plain(c, VECTOR_MF);
}

static u64 *mmx_register(struct cpu *c, u32 number)
{
    return (u64 *)c->x87.st[number & 7];
}

static void load_operand(struct cpu *c, struct thunk_frame *frame, u8 role, u32 number, bool is_reg)
{
    switch (role) {
    case ROLE_XMM:
        memcpy(is_reg ? frame->reg : frame->rm, c->xmm[number], 16);
        break;
    case ROLE_MM:
        *(is_reg ? &frame->mm_reg : &frame->mm_rm) = *mmx_register(c, number);
        break;
    case ROLE_GPR:
        *(is_reg ? &frame->gpr_reg : &frame->gpr_rm) = c->gpr[number];
        break;
    case ROLE_EXTENSION:
        break;
    }
}

static void save_mmx(struct cpu *c, u32 number, u64 value)
{
    *mmx_register(c, number) = value;
    memset(c->x87.st[number & 7] + 8, 0xff, 2);
}

static void save_operand(struct cpu *c, const struct thunk_frame *frame, u8 role, u32 number,
                         bool is_reg)
{
    switch (role) {
    case ROLE_XMM:
        memcpy(c->xmm[number], is_reg ? frame->reg : frame->rm, 16);
        break;
    case ROLE_MM:
        save_mmx(c, number, is_reg ? frame->mm_reg : frame->mm_rm);
        break;
    case ROLE_GPR:
        c->gpr[number] = is_reg ? frame->gpr_reg : frame->gpr_rm;
        break;
    case ROLE_EXTENSION:
        break;
    }
}

static void set_mxcsr(u32 value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static u32 get_mxcsr(void)
{
    u32 value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

enum { MXCSR_MASKS = 0x1f80, MXCSR_FTZ = 0x8000, EARLY = 7 /* #I, #D, #Z */, UNDERFLOW = 0x10 };

/* Returns the exceptions that came. */
static u32 run_masked(thunk_fn fn, struct thunk_frame *frame, u32 control)
{
    u32 host = get_mxcsr();
    set_mxcsr(control | MXCSR_MASKS);
    fn(frame);
    u32 came = get_mxcsr() & 0x3f;
    set_mxcsr(host);
    return came;
}

/* A tiny result that is exact: an exception only when it is not masked, which the host's is. With
 * flush-to-zero, which needs the mask, it tells of every tiny result (SDM vol.
 * 1, 4.9.1.5, 10.2.3.3). */
static u32 tiny_results(thunk_fn fn, struct thunk_frame *frame, u32 control)
{
    const struct thunk_frame before = *frame;
    u32 came = run_masked(fn, frame, control | MXCSR_FTZ);
    *frame = before;
    return came & UNDERFLOW;
}

/* Runs masked, then looks whether an exception that the guest wants came up: those before the
 * operation first (SDM vol. 1, 4.9.2). */
static void run_floats(struct cpu *c, thunk_fn fn, struct thunk_frame *frame)
{
    u32 control = c->mxcsr & 0xffc0, masks = c->mxcsr >> 7 & 0x3f, came = 0;
    if (unlikely(!(masks & UNDERFLOW))) {
        control &= ~(u32)MXCSR_FTZ;
        came = tiny_results(fn, frame, control);
    }
    came |= run_masked(fn, frame, control);
    u32 wanted = came & ~masks;
    if (wanted & EARLY)
        came &= EARLY;
    c->mxcsr |= came;
    if (unlikely(wanted)) {
        if (V(GUEST_CR4) & CR4_OSXMMEXCPT)
            raise_plain(c, VECTOR_XM);
        raise_ud(c);
    }
}

static bool is_string_compare(const struct insn *insn)
{
    return insn->map == MAP_0F3A && insn->opcode >= 0x60 && insn->opcode <= 0x63;
}

static void enter_mmx(struct cpu *c)
{
    c->x87.fsw &= (u16)~0x3800;
    c->x87.tag = 0xff;
}

static void finish_operands(struct cpu *c, const struct insn *insn, const struct form *f,
                            const struct thunk_frame *frame, bool same)
{
    if (uses_mmx(insn, f))
        enter_mmx(c);
    if (is_string_compare(insn)) {
        if (insn->opcode & 1) /* ...STRI */
            c->gpr[RCX] = (u32)frame->rcx;
        else
            memcpy(c->xmm[0], frame->xmm0, 16);
    } else {
        bool to_rm = (f->stores || f->reg == ROLE_EXTENSION) && !same;
        save_operand(c, frame, to_rm ? f->rm : f->reg, to_rm ? insn->rm : insn->reg, !to_rm);
    }
    if (f->flags)
        set_status(c, frame->flags & RF_STATUS);
}

static void exec_thunk(struct cpu *c, const struct insn *insn)
{
    struct thunk_frame *frame = thunk_frame(sizeof(*frame));
    struct form f;
    bool same;
    u64 linear = 0;
    memcpy(&f, &insn->immediate, sizeof(f));
    check_available(c, &f, uses_mmx(insn, &f));
    same = !insn->has_memory && f.reg == f.rm && insn->reg == insn->rm;
    if (insn->has_memory) {
        linear = f.aligned ? aligned_linear(c, insn, f.memory, f.stores)
                           : operand_linear(c, insn, f.memory, f.stores);
        if (f.stores)
            probe_write(c, linear, f.memory);
        else
            copy_in(c, frame->memory, linear, f.memory);
    } else {
        load_operand(c, frame, f.rm, insn->rm, false);
    }
    load_operand(c, frame, f.reg, insn->reg, true);
    memcpy(frame->xmm0, c->xmm[0], 16);
    frame->rax = c->gpr[RAX];
    frame->rdx = c->gpr[RDX];
    if (f.floats)
        run_floats(c, (thunk_fn)insn->immediate2, frame);
    else
        ((thunk_fn)insn->immediate2)(frame);
    if (insn->has_memory && f.stores) {
        if (f.reg == ROLE_MM)
            enter_mmx(c);
        copy_out(c, linear, frame->memory, f.memory);
        return;
    }
    finish_operands(c, insn, &f, frame, same);
}

/* --- by hand ----------------------------------------------------------------------------- */

static void exec_crc32(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->opcode & 1 ? insn->operand_size : 1;
    u32 crc = (u32)c->gpr[insn->reg];
    u64 value = read_rm(c, insn, size);
    if (size == 8)
        crc = crc32c_u64(crc, value);
    else
        for (u32 i = 0; i < size; i++)
            crc = crc32c_u8(crc, (u8)(value >> 8 * i));
    c->gpr[insn->reg] = crc;
}

static void exec_maskmov(struct cpu *c, const struct insn *insn)
{
    bool mmx = thunk_prefix(insn) == PP_NONE;
    const struct form f =
        mmx ? (struct form){.reg = ROLE_MM, .rm = ROLE_MM} : (struct form){.reg = ROLE_XMM};
    check_available(c, &f, mmx);
    const u8 *data = mmx ? c->x87.st[insn->reg & 7] : c->xmm[insn->reg],
             *mask = mmx ? c->x87.st[insn->rm & 7] : c->xmm[insn->rm];
    u32 size = mmx ? 8 : 16;
    u8 bytes[16];
    u64 linear =
        segment_linear(c, insn->segment, c->gpr[RDI] & size_mask(insn->address_size), size, true);
    probe_write(c, linear, size);
    copy_in(c, bytes, linear, size);
    for (u32 i = 0; i < size; i++)
        bytes[i] = mask[i] & 0x80 ? data[i] : bytes[i];
    copy_out(c, linear, bytes, size);
    if (mmx)
        enter_mmx(c);
}

static void exec_emms(struct cpu *c, const struct insn *insn)
{
    const struct form f = {.reg = ROLE_MM, .rm = ROLE_MM};
    (void)insn;
    check_available(c, &f, true);
    enter_mmx(c);
    c->x87.tag = 0;
}

void exec_no_thunk(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    stop_unimplemented(c, "room, or a memory file, for one more SSE or x87 thunk");
}

exec_fn thunk_find(const struct insn *insn)
{
    struct form f;
    if (insn->prefixes & PREFIX_VEX)
        return NULL;
    if (insn->map == MAP_0F && insn->opcode == 0x77)
        return exec_emms;
    if (insn->map == MAP_0F && insn->opcode == 0xf7)
        return exec_maskmov;
    if (insn->map == MAP_0F38 && (insn->opcode == 0xf0 || insn->opcode == 0xf1))
        return insn->prefixes & PREFIX_REPNE ? exec_crc32 : NULL;
    if (!thunk_form(insn, &f))
        return NULL;
    thunk_fn fn = make_thunk(insn, &f);
    if (!fn)
        return exec_no_thunk;
    /* Neither is needed any more: where exec_thunk() finds its thunk and form. */
    ((struct insn *)insn)->immediate2 = (u64)fn;
    memcpy(&((struct insn *)insn)->immediate, &f, sizeof(f));
    return exec_thunk;
}
