/*
 * The guest has no VMX: CPUID does not show it, CR4.VMXE and the VMX MSRs raise
 * #GP, and every VMX instruction raises #UD (SDM 24.7: not in VMX operation, as
 * the guest sees it). VMCALL too: no hypercalls exist.
 *
 * @row: 1 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

static u64 operand[2];

static void vmx_instructions(void)
{
    expect_equal(ATTEMPT("vmxon %0", : : "m"(operand)), UD, "VMXON raises #UD");
    expect_equal(ATTEMPT("vmxoff", :), UD, "VMXOFF raises #UD");
    expect_equal(ATTEMPT("vmclear %0", : : "m"(operand)), UD, "VMCLEAR raises #UD");
    expect_equal(ATTEMPT("vmptrld %0", : : "m"(operand)), UD, "VMPTRLD raises #UD");
    expect_equal(ATTEMPT("vmptrst %0", : : "m"(operand)), UD, "VMPTRST raises #UD");
    expect_equal(ATTEMPT("vmread %0, %1", : : "r"(0ul), "m"(operand)), UD, "VMREAD raises #UD");
    expect_equal(ATTEMPT("vmwrite %1, %0", : : "r"(0ul), "m"(operand)), UD, "VMWRITE raises #UD");
    expect_equal(ATTEMPT("vmlaunch", :), UD, "VMLAUNCH raises #UD");
    expect_equal(ATTEMPT("vmresume", :), UD, "VMRESUME raises #UD");
    expect_equal(ATTEMPT("vmcall", :), UD, "VMCALL raises #UD");
    expect_equal(ATTEMPT("vmfunc", : : "a"(0), "c"(0)), UD, "VMFUNC raises #UD");
    expect_equal(ATTEMPT("invept %0, %1", : : "m"(operand), "r"(1ul)), UD, "INVEPT raises #UD");
    expect_equal(ATTEMPT("invvpid %0, %1", : : "m"(operand), "r"(1ul)), UD, "INVVPID raises #UD");
    expect_equal(trap.offset, 0, "the #UD points at the instruction");
}

int main(void)
{
    u64 value;
    expect(!(cpuid(1, 0).ecx & BIT(5)), "CPUID does not show VMX");
    expect(!(cpuid(1, 0).ecx & BIT(6)), "CPUID does not show SMX");
    expect_equal(TRY_WRITE(cr4, read_cr4() | CR4_VMXE), GP, "CR4.VMXE raises #GP");
    expect(!(read_cr4() & CR4_VMXE), "CR4.VMXE stays 0");
    expect_equal(TRY_WRITE(cr4, read_cr4() | CR4_SMXE), GP, "CR4.SMXE raises #GP");
    for (u32 msr = 0x480; msr <= 0x491; msr++) {
        if (try_rdmsr(msr, &value) != GP)
            say("MSR 0x%x can be read\n", msr);
    }
    expect_equal(try_rdmsr(0x480, &value), GP, "RDMSR IA32_VMX_BASIC raises #GP");
    expect_equal(try_wrmsr(0x480, 0), GP, "WRMSR IA32_VMX_BASIC raises #GP");
    vmx_instructions();
    return 0;
}
