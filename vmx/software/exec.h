/* The exec functions by group; exec.c says which opcode takes which. */
#ifndef VMX_SOFTWARE_EXEC_H
#define VMX_SOFTWARE_EXEC_H

#include "vmx/software/cpu.h"

/* clang-format off */
#define EXECS(X)                                                                                  \
    /* exec_alu.c */                                                                              \
    X(alu_rm_reg) X(alu_reg_rm) X(alu_acc_imm) X(alu_rm_imm) X(test_rm_reg) X(test_acc_imm)       \
    X(inc_dec_reg) X(group3) X(group45) X(imul2) X(imul3) X(shift_imm) X(shift_1) X(shift_cl)     \
    X(shld_imm) X(shld_cl) X(shrd_imm) X(shrd_cl) X(bit_reg) X(bit_imm) X(bsf) X(bsr) X(popcnt)   \
    X(xadd) X(cmpxchg) X(group9) X(bswap) X(ascii) X(aam) X(aad)                                  \
    /* exec_move.c */                                                                             \
    X(mov_rm_reg) X(mov_reg_rm) X(mov_rm_imm) X(mov_reg_imm) X(mov_moffs_load)                    \
    X(mov_moffs_store) X(movzx) X(movsx) X(movsxd) X(lea) X(xchg_rm) X(xchg_acc) X(cbw) X(cwd)    \
    X(cmov) X(setcc) X(xlat) X(lahf) X(sahf) X(nop) X(movnti) X(push_reg) X(pop_reg) X(push_imm)  \
    X(pop_rm) X(push_seg) X(pop_seg) X(pusha) X(popa) X(enter) X(leave) X(pushf) X(popf)          \
    X(flag_op) X(salc) X(clflush) X(fence)                                                        \
    /* exec_control.c */                                                                          \
    X(jcc) X(jmp_rel) X(call_rel) X(ret) X(loop) X(jcxz) X(int3) X(int_n) X(into) X(int1)         \
    X(iret) X(far_jmp) X(far_call) X(far_ret) X(bound)                                            \
    /* exec_string.c */                                                                           \
    X(movs) X(cmps) X(stos) X(lods) X(scas) X(ins) X(outs)                                        \
    /* exec_system.c */                                                                           \
    X(in_imm) X(out_imm) X(in_dx) X(out_dx) X(hlt) X(cli) X(sti) X(mov_from_seg) X(mov_to_seg)    \
    X(lds) X(group6) X(group7) X(lar) X(lsl) X(syscall) X(sysret) X(sysenter) X(sysexit) X(clts)  \
    X(invd) X(wbinvd) X(rdtsc) X(rdmsr) X(wrmsr) X(rdpmc) X(cpuid) X(mov_from_cr) X(mov_to_cr)    \
    X(mov_from_dr) X(mov_to_dr) X(ud) X(vmx_0fc7) X(rdrand) X(rdseed) X(arpl) X(vmread)           \
    X(vmwrite) X(invept) X(invvpid) X(group15) X(smsw) X(lmsw)
/* clang-format on */

#define X(name) void exec_##name(struct cpu *, const struct insn *);
EXECS(X)
#undef X

/* MOV SS and POP SS: nothing comes in before the next instruction is done, unless that is again one
 * of them (SDM vol. 3, 6.8.3). */
static inline void begin_stack_shadow(struct cpu *c)
{
    if (!(V(GUEST_INTERRUPTIBILITY) & BLOCKED_BY_MOV_SS))
        c->shadow = BLOCKED_BY_MOV_SS;
}

bool condition_holds(const struct cpu *, u32 condition);
u64 near_target(struct cpu *, u64 target, u32 size);
void near_call(struct cpu *, u64 target, u32 size);

/* --- what system instructions share --- */

static inline void need_cpl0(struct cpu *c)
{
    if (c->cpl)
        raise_gp(c);
}

static inline void need_protected(struct cpu *c)
{
    if (!protected_mode(c))
        raise_ud(c);
}

/* The exit of the instruction at hand. */
NORETURN static inline void leave_at(struct cpu *c, u32 reason, u64 qualification)
{
    c->exit.length = (u32)(c->next - c->rip);
    leave_vm(c, reason, qualification);
}

static inline void vmx_exit(struct cpu *c, u32 reason)
{
    need_protected(c);
    leave_at(c, reason, 0);
}

static inline u64 visible_cr0(const struct cpu *c)
{
    return (V(GUEST_CR0) & ~V(CR0_MASK)) | (V(CR0_SHADOW) & V(CR0_MASK));
}

/* exec_x87.c, thunk.c */
void exec_no_thunk(struct cpu *, const struct insn *);
exec_fn x87_find(const struct insn *);
void exec_fxsave(struct cpu *, const struct insn *);
void exec_fxrstor(struct cpu *, const struct insn *);
void exec_bmi(struct cpu *, const struct insn *);

#endif
