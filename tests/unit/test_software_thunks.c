/* Thunks of the software processor: what they compute, and that they are made without a page
 * that is ever writable and executable at once. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/software/guest_code.h"
#include "vmx/software/exec.h"
#include "vmx/software/thunk.h"

/* Guests that run for ever fail. */
TestSuite(software_thunks, .timeout = 60);

/* SSE, SSE4.2, MMX and x87, with and without memory; results in RAX, RBX, RCX and RDX. */
GUEST_CODE(vectors, "movdqu xmm1, [rsi]\n"
                    "paddd xmm1, xmm1\n"
                    "pshufd xmm2, xmm1, 0x1b\n"
                    "movq rax, xmm2\n"
                    "movq mm0, [rsi]\n"
                    "paddb mm0, [rsi + 8]\n"
                    "movq rbx, mm0\n"
                    "emms\n"
                    "cvtsi2sd xmm3, edi\n"
                    "sqrtsd xmm3, xmm3\n"
                    "cvttsd2si ecx, xmm3\n"
                    "fninit\n"
                    "fild qword ptr [rsi]\n"
                    "fiadd word ptr [rsi + 8]\n"
                    "fistp qword ptr [rsi + 16]\n"
                    "mov rdx, [rsi + 16]\n"
                    "hlt");

static void run_vectors(void)
{
    START(BARE_64, vectors);
    bare_poke(BARE_DATA, 0x0000000200000001);
    bare_poke(BARE_DATA + 8, 0x0000000400000003);
    bare.h.vcpu.gpr[RSI] = BARE_DATA;
    bare.h.vcpu.gpr[RDI] = 144;
    cr_assert_eq(run_to_exit(), EXIT_HLT, "exit %u at %#llx", bare.h.vcpu.exit.reason,
                 (unsigned long long)bare.h.vcpu.rip);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 0x0000000600000008);
    cr_assert_eq(bare.h.vcpu.gpr[RBX], 0x0000000600000004);
    cr_assert_eq(bare.h.vcpu.gpr[RCX], 12);
    cr_assert_eq(bare.h.vcpu.gpr[RDX], 0x0000000200000004);
}

Test(software_thunks, compute_what_the_host_does)
{
    run_vectors();
}

Test(software_thunks, no_page_is_writable_and_executable)
{
    char line[512], rights[8];
    u32 executable = 0;
    run_vectors();
    FILE *maps = fopen("/proc/self/maps", "r");
    cr_assert_not_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%*s %7s", rights) != 1)
            continue;
        cr_assert_not(rights[1] == 'w' && rights[2] == 'x', "%s", line);
        executable += rights[2] == 'x' && strstr(line, "hindvisor-thunks");
    }
    fclose(maps);
    cr_assert_eq(executable, 1); /* they were looked at */
}

/* Kills the process that maps or makes memory writable and executable. */
static void forbid_writable_code(void)
{
    enum {
        CALL = offsetof(struct seccomp_data, nr),
        RIGHTS = offsetof(struct seccomp_data, args[2])
    };
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, CALL),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pkey_mprotect, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, RIGHTS),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {ARRAY_SIZE(rules), rules};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

Test(software_thunks, work_where_writable_code_is_forbidden)
{
    forbid_writable_code();
    run_vectors();
}

Test(software_thunks, the_filter_of_that_test_bites, .signal = SIGSYS)
{
    forbid_writable_code();
    mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

Test(software_thunks, a_frame_ends_where_nothing_may_be_touched)
{
    int ends[2];
    run_vectors();
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], thunk_frame(1), 1), 1); /* the kernel looks */
    cr_assert_eq(write(ends[1], thunk_frame(0), 1), -1);
    cr_assert_eq(errno, EFAULT);
}

GUEST_CODE(divide_by_zero, "ldmxcsr [rsi]\ndivsd xmm0, xmm1\nhlt");

Test(software_thunks, an_unmasked_exception_is_xm_and_leaves_the_target)
{
    START(BARE_64, divide_by_zero);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_XM);
    bare_poke(BARE_DATA, 0x1d80); /* zero divide unmasked */
    bare.h.vcpu.gpr[RSI] = BARE_DATA;
    memset(software_cpu.xmm[0], 0x3f, 8);
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(EVENT_VECTOR(vmcs_read(VMCS_EXIT_EVENT)), VECTOR_XM);
    cr_assert_eq(software_cpu.xmm[0][0], 0x3f);
    cr_assert_eq(software_cpu.mxcsr, 0x1d84);
}

GUEST_CODE(aligned_only, "paddd xmm0, [rsi + 8]\nhlt");

Test(software_thunks, legacy_sse_checks_alignment)
{
    START(BARE_64, aligned_only);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_GP);
    bare.h.vcpu.gpr[RSI] = BARE_DATA;
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(EVENT_VECTOR(vmcs_read(VMCS_EXIT_EVENT)), VECTOR_GP);
}

GUEST_CODE(store_over_pages, "movups [rdi], xmm0\nhlt");

Test(software_thunks, a_store_over_two_pages_faults_before_it_writes)
{
    START(BARE_64, store_over_pages);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_PF);
    bare_poke(BARE_PT + 8 * (BARE_DATA / PAGE_SIZE + 1), 0);
    bare.h.vcpu.gpr[RDI] = BARE_DATA + PAGE_SIZE - 8;
    memset(software_cpu.xmm[0], 0xff, 16);
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(bare_peek(BARE_DATA + PAGE_SIZE - 8), 0);
}

/* --- every thunk that there is ----------------------------------------------------------- */

static u32 thunks_made;

static void fill_frame(bool x87)
{
    memset(thunk_frame(PAGE_SIZE), 0xa5, PAGE_SIZE);
    struct x87_frame *frame = thunk_frame(sizeof(*frame));
    if (!x87)
        return;
    fx_image(&software_cpu, frame->image);
    frame->flags = 2;
}

/* Makes the thunk of this instruction, if it has one, and runs it on a frame of its own. */
static void try_instruction(const u8 *bytes)
{
    struct insn insn;
    bool ends;
    if (insn_decode(&insn, bytes, 15, 64) != DECODE_OK)
        return;
    bool x87 = insn.map == MAP_LEGACY;
    exec_fn fn = exec_find(&insn, &ends);
    cr_assert_neq(fn, exec_no_thunk, "no room for %02x %02x %02x %02x", bytes[0], bytes[1],
                  bytes[2], bytes[3]);
    if (!insn.immediate2)
        return;
    fill_frame(x87);
    u8 *frame = thunk_frame(x87 ? sizeof(struct x87_frame) : sizeof(struct thunk_frame));
    ((thunk_fn)insn.immediate2)(frame);
    thunks_made++;
    for (u8 *at = thunk_frame(PAGE_SIZE); at < frame; at += 32)
        cr_assert_eq(*(u64 *)at, 0xa5a5a5a5a5a5a5a5);
}

/* All immediates, where the instruction has one. */
static void try_immediates(u8 *bytes, u32 at)
{
    struct insn insn;
    bool has_one = insn_decode(&insn, bytes, 15, 64) == DECODE_OK && insn.immediate_size;
    for (u32 i = 0; i < (has_one ? 256 : 1); i++) {
        bytes[at] = (u8)i;
        try_instruction(bytes);
    }
}

/* Memory [RAX], the same register twice, two registers; opcode extensions take them all. */
static void try_operands(u8 *bytes, u32 at)
{
    for (u32 modrm = 0; modrm < 0xc0 + 64; modrm += modrm < 0x38 ? 8 : modrm == 0x38 ? 0x88 : 1)
        if (modrm < 0xc0 || (modrm & 7) <= 1) {
            bytes[at] = (u8)modrm;
            try_immediates(bytes, at + 1);
        }
}

static void try_map(const u8 *escape, u32 length)
{
    static const u8 prefixes[] = {0x3e, 0x66, 0xf3, 0xf2}; /* the first means nothing */
    for (u32 i = 0; i < 256 * 8; i++) {
        u8 bytes[16] = {prefixes[i >> 8 & 3], i >> 10 ? 0x48 : 0x40};
        memcpy(bytes + 2, escape, length);
        bytes[2 + length] = (u8)i;
        try_operands(bytes, 3 + length);
    }
}

Test(software_thunks, there_is_room_for_all_and_none_leaves_its_frame)
{
    static const u8 maps[][2] = {{0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    run_vectors(); /* makes the frame */
    for (u32 i = 0; i < ARRAY_SIZE(maps); i++)
        try_map(maps[i], i ? 2 : 1);
    for (u32 i = 0; i < 8 * 256; i++)
        try_instruction((const u8[16]){0xd8 | i >> 8, (u8)i});
    cr_assert_gt(thunks_made, 10000);
    cr_log_info("%u thunks", thunks_made);
}
