/*
 * The MSRs of CPU model 1, once. A row: number, name, class (core/cpu_model.h),
 * access, value at reset, bits that the guest may change. The last three matter
 * for STORED rows only. Bits outside `writable` keep their reset value; writing
 * one that reset left 0 raises #GP, as does an MSR without a row.
 *
 *   RW   read and written
 *   RO   writing raises #GP
 *   WO   reading raises #GP; a write is a command and leaves nothing behind
 *
 * The x2APIC registers 0x800-0x8ff are HANDLED as a range. Chosen so that Linux
 * finds what it reads without a fault handler on this family and model.
 * Source: SDM vol. 4, table 2-2; vol. 3A 11.11 (MTRRs).
 */
#ifndef CORE_MSRS_H
#define CORE_MSRS_H

#include "core/cpu_model.h"

/* IA32_ARCH_CAPABILITIES: the silicon flaws that this model does not have, and enhanced IBRS. */
#define ARCH_RDCL_NO BIT(0)
#define ARCH_IBRS_ALL BIT(1)
#define ARCH_SKIP_L1DFL_VMENTRY BIT(3)
#define ARCH_SSB_NO BIT(4)
#define ARCH_MDS_NO BIT(5)
#define ARCH_IF_PSCHANGE_MC_NO BIT(6)
#define ARCH_TAA_NO BIT(8)
#define ARCH_SBDR_SSDP_NO BIT(13)
#define ARCH_FBSDP_NO BIT(14)
#define ARCH_PSDP_NO BIT(15)
#define ARCH_BHI_NO BIT(20)
#define ARCH_PBRSB_NO BIT(24)
#define ARCH_GDS_NO BIT(26)
#define ARCH_RFDS_NO BIT(27)
#define ARCH_ITS_NO BIT(62)
#define ARCH_CAPABILITIES_VALUE                                                                \
    (ARCH_RDCL_NO | ARCH_IBRS_ALL | ARCH_SKIP_L1DFL_VMENTRY | ARCH_SSB_NO | ARCH_MDS_NO |      \
     ARCH_IF_PSCHANGE_MC_NO | ARCH_TAA_NO | ARCH_SBDR_SSDP_NO | ARCH_FBSDP_NO | ARCH_PSDP_NO | \
     ARCH_BHI_NO | ARCH_PBRSB_NO | ARCH_GDS_NO | ARCH_RFDS_NO | ARCH_ITS_NO)

#define MSR_ALL_BITS UINT64_MAX
#define MSR_ADDRESS_BITS (BIT(CPU_PHYSICAL_BITS) - PAGE_SIZE)

/* MTRRs as firmware leaves them: all is write-back but the VGA window and 3-4 GiB (MMIO). */
#define MTRR_WB_FIXED 0x0606060606060606ull
#define MTRR_VARIABLE_PAIRS 8
#define MTRR_MMIO_BASE 0xc0000000ull
#define MTRR_MMIO_MASK ((MSR_ADDRESS_BITS & ~(BIT(30) - 1)) | MTRR_MASK_VALID)
#define MTRR_MASK_VALID BIT(11)
#define MTRR_BASE_BITS (MSR_ADDRESS_BITS | 0xff)
#define MTRR_MASK_BITS (MSR_ADDRESS_BITS | MTRR_MASK_VALID)

#define MTRR_PAIR(X, n, base, mask)                                       \
    X(0x200 + 2 * n, MTRR_PHYS_BASE##n, STORED, RW, base, MTRR_BASE_BITS) \
    X(0x201 + 2 * n, MTRR_PHYS_MASK##n, STORED, RW, mask, MTRR_MASK_BITS)
#define MTRR_FIXED(X, number, name, reset) \
    X(number, MTRR_FIX_##name, STORED, RW, reset, MSR_ALL_BITS)

/* clang-format off */
#define CPU_MSRS(X) \
    X(0x010, TSC,               HANDLED, RW, 0, 0) \
    X(0x017, PLATFORM_ID,       STORED,  RO, 0, 0) \
    X(0x01b, APIC_BASE,         HANDLED, RW, 0, 0) \
    X(0x034, SMI_COUNT,         STORED,  RO, 0, 0) \
    X(0x03a, FEATURE_CONTROL,   STORED,  RO, 1 /* locked, all off */, 0) \
    X(0x048, SPEC_CTRL,         STORED,  RW, 0, 0x3 /* IBRS, STIBP */) \
    X(0x049, PRED_CMD,          STORED,  WO, 0, 0x1 /* IBPB */) \
    X(0x08b, BIOS_SIGN_ID,      STORED,  RW, BIT(32) /* microcode 1; Linux writes 0 first */, 0) \
    X(0x0ce, PLATFORM_INFO,     STORED,  RO, 10 << 8 /* 10 x 100 MHz */, 0) \
    X(0x0fe, MTRR_CAP,          STORED,  RO, 0x500 | MTRR_VARIABLE_PAIRS /* WC, fixed */, 0) \
    X(0x10a, ARCH_CAPABILITIES, STORED,  RO, ARCH_CAPABILITIES_VALUE, 0) \
    X(0x174, SYSENTER_CS,       PASS,    RW, 0, 0) \
    X(0x175, SYSENTER_ESP,      PASS,    RW, 0, 0) \
    X(0x176, SYSENTER_EIP,      PASS,    RW, 0, 0) \
    X(0x179, MCG_CAP,           STORED,  RO, 0 /* no banks */, 0) \
    X(0x17a, MCG_STATUS,        STORED,  RW, 0, 0x7) \
    X(0x1a0, MISC_ENABLE,       STORED,  RW, 0x1801 /* no BTS, no PEBS, fast strings */, 0x1) \
    X(0x1d9, DEBUGCTL,          STORED,  RW, 0, 0) \
    MTRR_PAIR(X, 0, MTRR_MMIO_BASE, MTRR_MMIO_MASK) \
    MTRR_PAIR(X, 1, 0, 0) \
    MTRR_PAIR(X, 2, 0, 0) \
    MTRR_PAIR(X, 3, 0, 0) \
    MTRR_PAIR(X, 4, 0, 0) \
    MTRR_PAIR(X, 5, 0, 0) \
    MTRR_PAIR(X, 6, 0, 0) \
    MTRR_PAIR(X, 7, 0, 0) \
    MTRR_FIXED(X, 0x250, 64K_00000, MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x258, 16K_80000, MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x259, 16K_A0000, 0) \
    MTRR_FIXED(X, 0x268, 4K_C0000,  MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x269, 4K_C8000,  MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x26a, 4K_D0000,  MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x26b, 4K_D8000,  MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x26c, 4K_E0000,  MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x26d, 4K_E8000,  MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x26e, 4K_F0000,  MTRR_WB_FIXED) \
    MTRR_FIXED(X, 0x26f, 4K_F8000,  MTRR_WB_FIXED) \
    X(0x277, PAT,               PASS,    RW, 0, 0) \
    X(0x2ff, MTRR_DEF_TYPE,     STORED,  RW, 0xc06 /* on, fixed on, write-back */, 0xcff) \
    X(0x6e0, TSC_DEADLINE,      HANDLED, RW, 0, 0) \
    X(0xc0000080, EFER,           HANDLED, RW, 0, 0) \
    X(0xc0000081, STAR,           PASS,    RW, 0, 0) \
    X(0xc0000082, LSTAR,          PASS,    RW, 0, 0) \
    X(0xc0000083, CSTAR,          PASS,    RW, 0, 0) \
    X(0xc0000084, FMASK,          PASS,    RW, 0, 0) \
    X(0xc0000100, FS_BASE,        PASS,    RW, 0, 0) \
    X(0xc0000101, GS_BASE,        PASS,    RW, 0, 0) \
    X(0xc0000102, KERNEL_GS_BASE, PASS,    RW, 0, 0) \
    X(0xc0000103, TSC_AUX,        STORED,  RW, 0, 0xffffffff)
/* clang-format on */

enum { MSR_X2APIC_FIRST = 0x800, MSR_X2APIC_LAST = 0x8ff };

#endif
