/* The instructions of VT-x and the privileged ones around them, as C functions. */
#ifndef VMX_HARDWARE_INSTRUCTIONS_H
#define VMX_HARDWARE_INSTRUCTIONS_H

#include "core/types.h"

/* VMX instructions report by CF (no current VMCS) and ZF (VM-instruction error), SDM 31.2. */
#define VMX_INSTRUCTION(name, text)                                                                \
    static inline bool name(const u64 *operand)                                                    \
    {                                                                                              \
        bool failed;                                                                               \
        __asm__ volatile(text " %1" : "=@ccbe"(failed) : "m"(*operand) : "memory");                \
        return !failed;                                                                            \
    }
VMX_INSTRUCTION(vmxon, "vmxon")
VMX_INSTRUCTION(vmclear, "vmclear")
VMX_INSTRUCTION(vmptrld, "vmptrld")
#undef VMX_INSTRUCTION

static inline bool vmxoff(void)
{
    bool failed;
    __asm__ volatile("vmxoff" : "=@ccbe"(failed) : : "memory");
    return !failed;
}

static inline u64 vmread(u64 field)
{
    u64 value;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
    return value;
}

static inline bool vmwrite(u64 field, u64 value)
{
    bool failed;
    __asm__ volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "rm"(value), "r"(field));
    return !failed;
}

struct invalidation {
    u64 first, second; /* INVEPT: EPT pointer, 0; INVVPID: VPID, linear address */
};

static inline void invept(u64 type, struct invalidation descriptor)
{
    __asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}

static inline void invvpid(u64 type, struct invalidation descriptor)
{
    __asm__ volatile("invvpid %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}

static inline u64 read_msr(u32 msr)
{
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (u64)high << 32 | low;
}

static inline void write_msr(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)));
}

#define REGISTER(name)                                                                             \
    static inline u64 read_##name(void)                                                            \
    {                                                                                              \
        u64 value;                                                                                 \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                     \
        return value;                                                                              \
    }                                                                                              \
    static inline void write_##name(u64 value)                                                     \
    {                                                                                              \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                            \
    }
REGISTER(cr0)
REGISTER(cr2)
REGISTER(cr3)
REGISTER(cr4)
REGISTER(dr0)
REGISTER(dr1)
REGISTER(dr2)
REGISTER(dr3)
REGISTER(dr6)
#undef REGISTER

#endif
