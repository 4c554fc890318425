/*
 * Entering and leaving VMX root operation (SDM 24.7, 24.8, 31.5), what the CPU
 * must have for it, each by itself, and the host-state area.
 */
#include "core/mem.h"
#include "vmx/hardware/hardware.h"
#include "vmx/hardware/instructions.h"
#include "vmx/processor.h"

enum { MSR_FEATURE_CONTROL = 0x3a, FEATURE_LOCK = 1, FEATURE_VMXON = 1 << 2 };
enum { MSR_VMX_BASIC = 0x480, MSR_CR0_FIXED0 = 0x486, MSR_CR0_FIXED1, MSR_CR4_FIXED0, MSR_CR4_FIXED1 };
enum { MSR_PAT = 0x277, MSR_EFER = 0xc0000080 };
enum { CR4_VMXE = 1 << 13 };

static struct {
    u64 cr0, cr4; /* as before hardware_start() */
    u64 vmcs;
    void (*interrupt)(u8 vector);
} root;

static u32 cpuid_ecx(u32 leaf)
{
    u32 a = leaf, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c;
}

struct requirement {
    bool (*met)(void);
    const char *sentence;
    bool stops; /* nothing after it can be asked for */
};

static bool has_vmx(void)
{
    return cpuid_ecx(1) >> 5 & 1;
}

static bool has_crc32(void)
{
    return cpuid_ecx(1) >> 20 & 1;
}

/* Unlocked is as good as on: VMXON needs the lock, so set both (SDM 24.7). */
static bool firmware_allows(void)
{
    u64 control = read_msr(MSR_FEATURE_CONTROL);
    if (!(control & FEATURE_LOCK))
        write_msr(MSR_FEATURE_CONTROL, control | FEATURE_LOCK | FEATURE_VMXON);
    return read_msr(MSR_FEATURE_CONTROL) & FEATURE_VMXON;
}

static bool fits(u64 value, u32 fixed0, u32 fixed1) /* SDM appendix A.7, A.8 */
{
    u64 must = read_msr(fixed0), may = read_msr(fixed1);
    return !(((value | must) & ~may));
}

static bool cr0_fits(void)
{
    return fits(read_cr0(), MSR_CR0_FIXED0, MSR_CR0_FIXED1);
}

static bool cr4_fits(void)
{
    return fits(read_cr4() | CR4_VMXE, MSR_CR4_FIXED0, MSR_CR4_FIXED1);
}

static bool vmcs_is_write_back(void)
{
    return (read_msr(MSR_VMX_BASIC) >> 50 & 15) == 6;
}

static const struct requirement requirements[] = {
    {has_crc32, "SSE4.2, for the CRC-32C instruction that state hashes need", false},
    {has_vmx, "VT-x (CPUID.1:ECX.VMX is 0): under QEMU, nested VT-x needs KVM and -cpu host", true},
    {firmware_allows, "VT-x switched on: the firmware has locked it off (IA32_FEATURE_CONTROL); see the firmware's set-up", true},
    {cr0_fits, "the CR0 values that VMX operation demands", true},
    {cr4_fits, "the CR4 values that VMX operation demands", true},
    {vmcs_is_write_back, "VMCS regions in write-back memory", true},
};

static void missing_control(void *context, const char *text)
{
    const struct {
        void (*call)(void *, const char *);
        void *context;
    } *outer = context;
    outer->call(outer->context, text);
}

u32 hardware_requirements(void (*missing)(void *context, const char *sentence), void *context)
{
    u32 count = 0;
    for (u32 i = 0; i < ARRAY_SIZE(requirements); i++) {
        if (requirements[i].met())
            continue;
        missing(context, requirements[i].sentence);
        count++;
        if (requirements[i].stops)
            return count;
    }
    struct {
        void (*call)(void *, const char *);
        void *context;
    } outer = {missing, context};
    struct capabilities can = capabilities_read();
    struct controls ignored;
    return count + controls_resolve(&can, &ignored, missing_control, &outer);
}

static void write_host_state(const struct host_state *host)
{
    vmcs_write(VMCS_HOST_CR0, read_cr0());
    vmcs_write(VMCS_HOST_CR3, read_cr3());
    vmcs_write(VMCS_HOST_CR4, read_cr4());
    vmcs_write(VMCS_HOST_CS, host->code);
    vmcs_write(VMCS_HOST_SS, host->data);
    vmcs_write(VMCS_HOST_DS, host->data);
    vmcs_write(VMCS_HOST_ES, host->data);
    vmcs_write(VMCS_HOST_FS, 0);
    vmcs_write(VMCS_HOST_GS, 0);
    vmcs_write(VMCS_HOST_TR, host->tss);
    vmcs_write(VMCS_HOST_FS_BASE, 0);
    vmcs_write(VMCS_HOST_GS_BASE, 0);
    vmcs_write(VMCS_HOST_TR_BASE, host->tss_base);
    vmcs_write(VMCS_HOST_GDTR_BASE, host->gdt_base);
    vmcs_write(VMCS_HOST_IDTR_BASE, host->idt_base);
    vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
    vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
    vmcs_write(VMCS_HOST_PAT, read_msr(MSR_PAT));
    vmcs_write(VMCS_HOST_EFER, read_msr(MSR_EFER));
    vmcs_write(VMCS_HOST_RIP, (u64)vmx_exit_point);
}

struct err hardware_start(const struct host_state *host, void *vmxon_region, void *vmcs_region)
{
    u32 revision = (u32)read_msr(MSR_VMX_BASIC) & 0x7fffffff;
    u64 vmxon_address = (u64)vmxon_region;
    root.cr0 = read_cr0();
    root.cr4 = read_cr4();
    root.vmcs = (u64)vmcs_region;
    root.interrupt = host->interrupt;
    write_cr0(root.cr0 | read_msr(MSR_CR0_FIXED0));
    write_cr4(root.cr4 | CR4_VMXE | read_msr(MSR_CR4_FIXED0));
    memcpy(vmxon_region, &revision, sizeof(revision));
    memcpy(vmcs_region, &revision, sizeof(revision));
    if (!vmxon(&vmxon_address))
        return ERR(INTERNAL, "VMXON failed", 0, 0);
    if (!vmclear(&root.vmcs) || !vmptrld(&root.vmcs))
        return ERR(INTERNAL, "VMCLEAR or VMPTRLD failed", 0, 0);
    write_host_state(host);
    return NO_ERR;
}

struct err hardware_stop(void)
{
    if (!vmclear(&root.vmcs) || !vmxoff())
        return ERR(INTERNAL, "VMCLEAR or VMXOFF failed", 0, 0);
    write_cr4(root.cr4);
    write_cr0(root.cr0);
    if (read_cr4() & CR4_VMXE)
        return ERR(INTERNAL, "CR4.VMXE stayed on after VMXOFF", 0, 0);
    return NO_ERR;
}

void hardware_host_interrupt(u8 vector)
{
    root.interrupt(vector);
}

/* Bits that every processor keeps, by width; fields with rules of their own take 0 only. */
static struct err check_field(const struct vmcs_field_info *field)
{
    static const u64 patterns[] = {[W16] = 0x5a50, [W64] = 0x5000, [W32] = 0x5a5a5a5a, [WNAT] = 0x5a5a5a5a5000};
    u64 before = vmread(field->encoding), pattern = patterns[field->width];
    bool segment_rights = field->encoding >= VMCS_GUEST_ES_ACCESS && field->encoding <= VMCS_GUEST_TR_ACCESS;
    if (segment_rights)
        pattern &= 0x1f0ff; /* SDM 25.4.1: reserved bits need not be kept */
    if (!vmwrite(field->encoding, pattern))
        return ERR(INTERNAL, "VMCS field 0x%A cannot be written: VM-instruction error %b", field->encoding,
                   vmread(VMCS_INSTRUCTION_ERROR));
    u64 after = vmread(field->encoding);
    vmwrite(field->encoding, before);
    if (after != pattern)
        return ERR(INTERNAL, "VMCS field 0x%A does not read back: 0x%B came", field->encoding, after);
    return NO_ERR;
}

struct err hardware_check_fields(const struct controls *have, const struct capabilities *can)
{
    for (u32 i = 0; i < vmcs_field_count; i++)
        if (vmcs_fields[i].kind != INFO && field_present(&vmcs_fields[i], have, can))
            TRY(check_field(&vmcs_fields[i]));
    return NO_ERR;
}
