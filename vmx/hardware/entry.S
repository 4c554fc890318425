/*
 * Into the guest and out again. The TSC is read last thing before the entry and
 * first thing after the exit (two pushes come before it); between the two reads
 * and the guest lies a constant number of instructions, which hardware_calibrate()
 * measures. Nothing may be added there without need.
 *
 * vmx_enter() (hardware.h) has the compiler keep what it needs of the host's registers.
 *
 * struct vcpu: gpr[16] at 0 in encoding order, tsc_entry 128, tsc_exit 136, launched 144.
 */
        .set GPR_RAX, 0
        .set GPR_RCX, 8
        .set GPR_RDX, 16
        .set GPR_RBX, 24
        .set GPR_RBP, 40
        .set GPR_RSI, 48
        .set GPR_RDI, 56
        .set TSC_ENTRY, 128
        .set TSC_EXIT, 136
        .set LAUNCHED, 144
        .set VMCS_HOST_RSP, 0x6c14

        .text
        .globl vmx_enter_guest
vmx_enter_guest:                        /* RDI: the vCPU; RAX: 0 an exit, 1 the instruction failed */
        push    %rdi
        mov     $VMCS_HOST_RSP, %edx
        vmwrite %rsp, %rdx
        mov     GPR_RCX(%rdi), %rcx
        mov     GPR_RBX(%rdi), %rbx
        mov     GPR_RBP(%rdi), %rbp
        mov     GPR_RSI(%rdi), %rsi
        mov     64(%rdi), %r8
        mov     72(%rdi), %r9
        mov     80(%rdi), %r10
        mov     88(%rdi), %r11
        mov     96(%rdi), %r12
        mov     104(%rdi), %r13
        mov     112(%rdi), %r14
        mov     120(%rdi), %r15
        cmpq    $0, LAUNCHED(%rdi)
        je      first
        rdtsc
        mov     %eax, TSC_ENTRY(%rdi)
        mov     %edx, TSC_ENTRY+4(%rdi)
        mov     GPR_RDX(%rdi), %rdx
        mov     GPR_RAX(%rdi), %rax
        mov     GPR_RDI(%rdi), %rdi
        vmresume
        jmp     failed
first:
        movq    $1, LAUNCHED(%rdi)
        rdtsc
        mov     %eax, TSC_ENTRY(%rdi)
        mov     %edx, TSC_ENTRY+4(%rdi)
        mov     GPR_RDX(%rdi), %rdx
        mov     GPR_RAX(%rdi), %rax
        mov     GPR_RDI(%rdi), %rdi
        vmlaunch
failed:
        pop     %rdi
        mov     $1, %eax
        ret

        .globl vmx_exit_point
vmx_exit_point:
        push    %rax
        push    %rdx
        rdtsc
        push    %rdi
        mov     24(%rsp), %rdi          /* the vCPU, below RDI, RDX and RAX */
        mov     %eax, TSC_EXIT(%rdi)
        mov     %edx, TSC_EXIT+4(%rdi)
        popq    GPR_RDI(%rdi)
        popq    GPR_RDX(%rdi)
        popq    GPR_RAX(%rdi)
        mov     %rcx, GPR_RCX(%rdi)
        mov     %rbx, GPR_RBX(%rdi)
        mov     %rbp, GPR_RBP(%rdi)
        mov     %rsi, GPR_RSI(%rdi)
        mov     %r8, 64(%rdi)
        mov     %r9, 72(%rdi)
        mov     %r10, 80(%rdi)
        mov     %r11, 88(%rdi)
        mov     %r12, 96(%rdi)
        mov     %r13, 104(%rdi)
        mov     %r14, 112(%rdi)
        mov     %r15, 120(%rdi)
        add     $8, %rsp
        xor     %eax, %eax
        ret

        .section .note.GNU-stack, "", @progbits
