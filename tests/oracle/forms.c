/*
 * Every form of instruction that the CPU model (core/cpu_model.c) has for user mode, one row each,
 * and the flags that the SDM leaves undefined after it. Logic (AND, OR, XOR, TEST) clears AF on
 * all silicon and under Bochs, so that counts as defined.
 * Not here: what exits or answers by the machine (CPUID, RDTSC, SYSCALL, INT n with a gate), INT1
 * (hypervisors below a host mistake it), what UMIP may forbid; near branches with 66, which Intel's
 * ignore and AMD's do not; ARPL of memory, which only some write without a change; 32-bit pushes
 * of selectors, of which some write two bytes.
 */
#include "core/decode/insn.h"
#include "tests/oracle/oracle.h"

enum { CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, OF = 2048 };
#define ANY -1
#define MULTIPLIES (SF | ZF | AF | PF)
#define DIVIDES (CF | OF | SF | ZF | AF | PF)
#define TESTS_BITS (OF | SF | AF | PF)
#define SCANS (CF | OF | SF | AF | PF)
#define COUNTS_ZEROS (OF | SF | AF | PF)
#define VV (VECTOR_REG | VECTOR_RM)
#define PS (PLAIN | WITH_66)
#define SS_SD (WITH_F3 | WITH_F2)
#define ALL4 (PS | SS_SD)
#define L MAP_LEGACY
#define B MAP_0F
#define B38 MAP_0F38
#define B3A MAP_0F3A

/* clang-format off */
/* map, opcodes, /reg, prefixes, operands, immediate, flags, undefined, setup */
static const struct form integer_forms[] = {
    {L, 0x00, 0x03, ANY, 0, RM, NO_IMM, SIZES, 0, 0}, {L, 0x08, 0x0b, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {L, 0x10, 0x13, ANY, 0, RM, NO_IMM, SIZES, 0, 0}, {L, 0x18, 0x1b, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {L, 0x20, 0x23, ANY, 0, RM, NO_IMM, SIZES, 0, 0}, {L, 0x28, 0x2b, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {L, 0x30, 0x33, ANY, 0, RM, NO_IMM, SIZES, 0, 0}, {L, 0x38, 0x3b, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {L, 0x04, 0x04, 0, 0, NO_MODRM, IMM8, SIZES, 0, 0}, {L, 0x0d, 0x0d, 0, 0, NO_MODRM, IMMZ, SIZES, 0, 0},
    {L, 0x15, 0x15, 0, 0, NO_MODRM, IMMZ, SIZES, 0, 0}, {L, 0x1c, 0x1c, 0, 0, NO_MODRM, IMM8, SIZES, 0, 0},
    {L, 0x25, 0x25, 0, 0, NO_MODRM, IMMZ, SIZES, 0, 0}, {L, 0x2d, 0x2d, 0, 0, NO_MODRM, IMMZ, SIZES, 0, 0},
    {L, 0x34, 0x34, 0, 0, NO_MODRM, IMM8, SIZES, 0, 0}, {L, 0x3d, 0x3d, 0, 0, NO_MODRM, IMMZ, SIZES, 0, 0},
    {L, 0x50, 0x5f, 0, 0, NO_MODRM, NO_IMM, OPSIZE, 0, 0},
    {L, 0x63, 0x63, ANY, 0, RM, NO_IMM, WIDE | ONLY_64, 0, 0},
    {L, 0x68, 0x68, 0, 0, NO_MODRM, IMMZ, OPSIZE, 0, 0}, {L, 0x6a, 0x6a, 0, 0, NO_MODRM, IMM8, OPSIZE, 0, 0},
    {L, 0x69, 0x69, ANY, 0, RM, IMMZ, SIZES, MULTIPLIES, 0}, {L, 0x6b, 0x6b, ANY, 0, RM, IMM8, SIZES, MULTIPLIES, 0},
    {L, 0x80, 0x80, ANY, 0, RM, IMM8, SIZES, 0, 0}, {L, 0x81, 0x81, ANY, 0, RM, IMMZ, SIZES, 0, 0},
    {L, 0x83, 0x83, ANY, 0, RM, IMM8, SIZES, 0, 0}, {L, 0x84, 0x8b, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {L, 0x8d, 0x8d, ANY, 0, MEMORY, NO_IMM, SIZES, 0, 0}, {L, 0x8f, 0x8f, 0, 0, RM, NO_IMM, OPSIZE, 0, 0},
    {L, 0x90, 0x99, 0, 0, NO_MODRM, NO_IMM, SIZES, 0, 0},
    {L, 0x9c, 0x9c, 0, 0, NO_MODRM, NO_IMM, OPSIZE, 0, 0}, {L, 0x9d, 0x9d, 0, 0, NO_MODRM, NO_IMM, OPSIZE, 0, FOR_POPF},
    {L, 0x9e, 0x9f, 0, 0, NO_MODRM, NO_IMM, 0, 0, 0}, {L, 0xa0, 0xa3, 0, 0, NO_MODRM, IMM_MOFFS, SIZES, 0, 0},
    {L, 0xa8, 0xa8, 0, 0, NO_MODRM, IMM8, SIZES, 0, 0}, {L, 0xa9, 0xa9, 0, 0, NO_MODRM, IMMZ, SIZES, 0, 0},
    {L, 0xb0, 0xb7, 0, 0, NO_MODRM, IMM8, 0, 0, 0}, {L, 0xb8, 0xbf, 0, 0, NO_MODRM, IMMV, SIZES, 0, 0},
    {L, 0xc0, 0xc1, ANY, 0, RM, IMM8, SIZES | SHIFTS, 0, 0}, {L, 0xd0, 0xd1, ANY, 0, RM, NO_IMM, SIZES | SHIFTS, 0, 0},
    {L, 0xd2, 0xd3, ANY, 0, RM, NO_IMM, SIZES | SHIFTS, 0, 0},
    {L, 0xc6, 0xc6, 0, 0, RM, IMM8, SIZES, 0, 0}, {L, 0xc7, 0xc7, 0, 0, RM, IMMZ, SIZES, 0, 0},
    {L, 0xc8, 0xc8, 0, 0, NO_MODRM, IMM_ENTER, OPSIZE, 0, 0}, {L, 0xc9, 0xc9, 0, 0, NO_MODRM, NO_IMM, OPSIZE, 0, FOR_LEAVE},
    {L, 0xd7, 0xd7, 0, 0, NO_MODRM, NO_IMM, 0, 0, FOR_XLAT}, {L, 0xf5, 0xf5, 0, 0, NO_MODRM, NO_IMM, 0, 0, 0},
    {L, 0xf8, 0xf9, 0, 0, NO_MODRM, NO_IMM, 0, 0, 0}, {L, 0xfc, 0xfd, 0, 0, NO_MODRM, NO_IMM, 0, 0, 0},
    {L, 0xf6, 0xf6, 0, 0, RM, IMM8, SIZES, 0, 0}, {L, 0xf7, 0xf7, 1, 0, RM, IMMZ, SIZES, 0, 0},
    {L, 0xf6, 0xf7, 2, 0, RM, NO_IMM, SIZES, 0, 0}, {L, 0xf6, 0xf7, 3, 0, RM, NO_IMM, SIZES, 0, 0},
    {L, 0xf6, 0xf7, 4, 0, RM, NO_IMM, SIZES, MULTIPLIES, 0}, {L, 0xf6, 0xf7, 5, 0, RM, NO_IMM, SIZES, MULTIPLIES, 0},
    {L, 0xf6, 0xf7, 6, 0, RM, NO_IMM, SIZES, DIVIDES, FOR_DIVIDE}, {L, 0xf6, 0xf7, 7, 0, RM, NO_IMM, SIZES, DIVIDES, FOR_DIVIDE},
    {L, 0xfe, 0xff, 0, 0, RM, NO_IMM, SIZES, 0, 0}, {L, 0xfe, 0xff, 1, 0, RM, NO_IMM, SIZES, 0, 0},
    {L, 0xff, 0xff, 6, 0, RM, NO_IMM, OPSIZE, 0, 0},
    {B, 0x0d, 0x0d, ANY, 0, MEMORY, NO_IMM, SIZES, 0, 0}, {B, 0x18, 0x19, ANY, 0, MEMORY, NO_IMM, SIZES, 0, 0},
    {B, 0x1f, 0x1f, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {B, 0x40, 0x4f, ANY, 0, RM, NO_IMM, SIZES, 0, 0}, {B, 0x90, 0x9f, ANY, 0, RM, NO_IMM, 0, 0, 0},
    {B, 0xa3, 0xa3, ANY, 0, RM, NO_IMM, SIZES, TESTS_BITS, FOR_BIT}, {B, 0xab, 0xab, ANY, 0, RM, NO_IMM, SIZES, TESTS_BITS, FOR_BIT},
    {B, 0xb3, 0xb3, ANY, 0, RM, NO_IMM, SIZES, TESTS_BITS, FOR_BIT}, {B, 0xbb, 0xbb, ANY, 0, RM, NO_IMM, SIZES, TESTS_BITS, FOR_BIT},
    {B, 0xa4, 0xa4, ANY, 0, RM, IMM8, WIDE | SHIFTS, 0, 0}, {B, 0xac, 0xac, ANY, 0, RM, IMM8, WIDE | SHIFTS, 0, 0},
    {B, 0xa5, 0xa5, ANY, 0, RM, NO_IMM, WIDE | SHIFTS, 0, 0}, {B, 0xad, 0xad, ANY, 0, RM, NO_IMM, WIDE | SHIFTS, 0, 0},
    {B, 0xaf, 0xaf, ANY, 0, RM, NO_IMM, SIZES, MULTIPLIES, 0}, {B, 0xb0, 0xb1, ANY, 0, RM, NO_IMM, SIZES, 0, FOR_CMPXCHG},
    {B, 0xb6, 0xb7, ANY, 0, RM, NO_IMM, SIZES, 0, 0}, {B, 0xbe, 0xbf, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {B, 0xba, 0xba, 4, 0, RM, IMM8, SIZES, TESTS_BITS, 0}, {B, 0xba, 0xba, 5, 0, RM, IMM8, SIZES, TESTS_BITS, 0},
    {B, 0xba, 0xba, 6, 0, RM, IMM8, SIZES, TESTS_BITS, 0}, {B, 0xba, 0xba, 7, 0, RM, IMM8, SIZES, TESTS_BITS, 0},
    {B, 0xbc, 0xbd, ANY, PLAIN, RM, NO_IMM, SIZES, SCANS, 0}, {B, 0xbc, 0xbd, ANY, WITH_F3, RM, NO_IMM, SIZES, COUNTS_ZEROS, 0},
    {B, 0xb8, 0xb8, ANY, WITH_F3, RM, NO_IMM, SIZES, 0, 0}, {B, 0xc0, 0xc1, ANY, 0, RM, NO_IMM, SIZES, 0, 0},
    {B, 0xc3, 0xc3, ANY, 0, MEMORY, NO_IMM, WIDE, 0, 0}, {B, 0xc7, 0xc7, 1, 0, MEMORY, NO_IMM, WIDE | ALIGNED, 0, FOR_PAIR},
    {B, 0xc8, 0xcf, 0, 0, NO_MODRM, NO_IMM, WIDE, 0, 0},
    {B38, 0xf0, 0xf1, ANY, WITH_F2, RM, NO_IMM, SIZES, 0, 0},
    {L, 0x27, 0x27, 0, 0, NO_MODRM, NO_IMM, NOT_64, OF, 0},
    {L, 0x2f, 0x2f, 0, 0, NO_MODRM, NO_IMM, NOT_64, OF, 0}, {L, 0x37, 0x37, 0, 0, NO_MODRM, NO_IMM, NOT_64, OF | SF | ZF | PF, 0},
    {L, 0x3f, 0x3f, 0, 0, NO_MODRM, NO_IMM, NOT_64, OF | SF | ZF | PF, 0}, {L, 0x40, 0x4f, 0, 0, NO_MODRM, NO_IMM, NOT_64 | OPSIZE, 0, 0},
    {L, 0x60, 0x61, 0, 0, NO_MODRM, NO_IMM, NOT_64 | OPSIZE, 0, 0}, {L, 0x62, 0x62, ANY, 0, MEMORY, NO_IMM, NOT_64 | OPSIZE, 0, 0},
    {L, 0x63, 0x63, ANY, 0, REGISTERS, NO_IMM, NOT_64, 0, 0}, {L, 0x82, 0x82, ANY, 0, RM, IMM8, NOT_64, 0, 0},
    {L, 0xce, 0xce, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, 0}, {L, 0xd4, 0xd4, 0, 0, NO_MODRM, IMM8, NOT_64, OF | AF | CF, 0},
    {L, 0xd5, 0xd5, 0, 0, NO_MODRM, IMM8, NOT_64, OF | AF | CF, 0}, {L, 0xd6, 0xd6, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, 0},
};

static const struct form string_forms[] = {
    {L, 0xa4, 0xa7, 0, 0, NO_MODRM, NO_IMM, SIZES | REPEATS, 0, FOR_STRING},
    {L, 0xaa, 0xaf, 0, 0, NO_MODRM, NO_IMM, SIZES | REPEATS, 0, FOR_STRING},
};

static const struct form branch_forms[] = {
    {L, 0x70, 0x7f, 0, 0, NO_MODRM, IMM_REL8, 0, 0, 0}, {B, 0x80, 0x8f, 0, 0, NO_MODRM, IMM_REL32, 0, 0, 0},
    {L, 0xe0, 0xe3, 0, 0, NO_MODRM, IMM_REL8, 0, 0, FOR_LOOP}, {L, 0xe8, 0xe9, 0, 0, NO_MODRM, IMM_REL32, 0, 0, 0},
    {L, 0xeb, 0xeb, 0, 0, NO_MODRM, IMM_REL8, 0, 0, 0}, {L, 0xff, 0xff, 2, 0, RM, NO_IMM, 0, 0, FOR_INDIRECT},
    {L, 0xff, 0xff, 4, 0, RM, NO_IMM, 0, 0, FOR_INDIRECT}, {L, 0xc3, 0xc3, 0, 0, NO_MODRM, NO_IMM, 0, 0, FOR_RETURN},
    {L, 0xc2, 0xc2, 0, 0, NO_MODRM, IMM16, 0, 0, FOR_RETURN},
};

/* segments and far transfers */
static const struct form segment_forms[] = {
    {L, 0x8c, 0x8c, ANY, 0, RM, NO_IMM, SIZES | VECTOR_REG, 0, 0}, {L, 0x8e, 0x8e, 0, 0, RM, NO_IMM, 0, 0, FOR_SELECTOR},
    {L, 0x8e, 0x8e, 2, 0, RM, NO_IMM, 0, 0, FOR_SELECTOR}, {L, 0x8e, 0x8e, 3, 0, RM, NO_IMM, 0, 0, FOR_SELECTOR},
    {L, 0x8e, 0x8e, 4, 0, RM, NO_IMM, NOT_64, 0, FOR_SELECTOR}, {L, 0x8e, 0x8e, 5, 0, RM, NO_IMM, NOT_64, 0, FOR_SELECTOR},
    {L, 0x06, 0x06, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_PUSH_SELECTOR}, {L, 0x0e, 0x0e, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_PUSH_SELECTOR},
    {L, 0x16, 0x16, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_PUSH_SELECTOR}, {L, 0x1e, 0x1e, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_PUSH_SELECTOR},
    {B, 0xa0, 0xa0, 0, 0, NO_MODRM, NO_IMM, 0, 0, FOR_PUSH_SELECTOR}, {B, 0xa8, 0xa8, 0, 0, NO_MODRM, NO_IMM, 0, 0, FOR_PUSH_SELECTOR},
    {L, 0x07, 0x07, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_POP_SELECTOR}, {L, 0x17, 0x17, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_POP_SELECTOR},
    {L, 0x1f, 0x1f, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_POP_SELECTOR}, {B, 0xa1, 0xa1, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_POP_SELECTOR},
    {B, 0xa9, 0xa9, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_POP_SELECTOR},
    {L, 0xc4, 0xc5, ANY, 0, MEMORY, NO_IMM, NOT_64 | OPSIZE, 0, FOR_FAR_POINTER}, {B, 0xb2, 0xb2, ANY, 0, MEMORY, NO_IMM, NOT_64 | OPSIZE, 0, FOR_FAR_POINTER},
    {B, 0xb4, 0xb5, ANY, 0, MEMORY, NO_IMM, NOT_64 | OPSIZE, 0, FOR_FAR_POINTER},
    {B, 0x02, 0x03, ANY, 0, RM, NO_IMM, SIZES, 0, FOR_SELECTOR}, {B, 0x00, 0x00, 4, 0, RM, NO_IMM, 0, 0, FOR_SELECTOR},
    {B, 0x00, 0x00, 5, 0, RM, NO_IMM, 0, 0, FOR_SELECTOR},
    {L, 0xea, 0xea, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_FAR_JUMP}, {L, 0x9a, 0x9a, 0, 0, NO_MODRM, NO_IMM, NOT_64, 0, FOR_FAR_JUMP},
    {L, 0xff, 0xff, 3, 0, MEMORY, NO_IMM, 0, 0, FOR_FAR_JUMP}, {L, 0xff, 0xff, 5, 0, MEMORY, NO_IMM, 0, 0, FOR_FAR_JUMP},
    {L, 0xcb, 0xcb, 0, 0, NO_MODRM, NO_IMM, 0, 0, FOR_FAR_RETURN}, {L, 0xca, 0xca, 0, 0, NO_MODRM, IMM16, 0, 0, FOR_FAR_RETURN},
    {L, 0xcf, 0xcf, 0, 0, NO_MODRM, NO_IMM, 0, 0, FOR_IRET},
};

/* BMI1, BMI2 */
static const struct form bmi_forms[] = {
    {B38, 0xf2, 0xf2, ANY, PLAIN, RM, NO_IMM, VEX, AF | PF, 0}, {B38, 0xf3, 0xf3, 1, PLAIN, RM, NO_IMM, VEX, AF | PF, 0},
    {B38, 0xf3, 0xf3, 2, PLAIN, RM, NO_IMM, VEX, AF | PF, 0}, {B38, 0xf3, 0xf3, 3, PLAIN, RM, NO_IMM, VEX, AF | PF, 0},
    {B38, 0xf5, 0xf5, ANY, PLAIN, RM, NO_IMM, VEX, AF | PF, 0}, {B38, 0xf5, 0xf5, ANY, SS_SD, RM, NO_IMM, VEX, 0, 0},
    {B38, 0xf6, 0xf6, ANY, WITH_F2, RM, NO_IMM, VEX, 0, 0}, {B38, 0xf7, 0xf7, ANY, PLAIN, RM, NO_IMM, VEX, AF | SF | PF, 0},
    {B38, 0xf7, 0xf7, ANY, WITH_66 | SS_SD, RM, NO_IMM, VEX, 0, 0}, {B3A, 0xf0, 0xf0, ANY, WITH_F2, RM, IMM8, VEX, 0, 0},
};

static const struct form vector_forms[] = {
    {B, 0x10, 0x11, ANY, ALL4, RM, NO_IMM, VV, 0, 0}, {B, 0x12, 0x12, ANY, PLAIN | SS_SD, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x12, 0x13, ANY, PS, MEMORY, NO_IMM, VV, 0, 0}, {B, 0x14, 0x15, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x16, 0x16, ANY, PLAIN | WITH_F3, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x16, 0x17, ANY, PS, MEMORY, NO_IMM, VV, 0, 0},
    {B, 0x28, 0x29, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x2a, 0x2a, ANY, PS, RM, NO_IMM, VV, 0, 0},
    {B, 0x2a, 0x2a, ANY, SS_SD, RM, NO_IMM, WIDE | VECTOR_REG, 0, 0}, {B, 0x2b, 0x2b, ANY, PS, MEMORY, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x2c, 0x2d, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x2c, 0x2d, ANY, SS_SD, RM, NO_IMM, WIDE | VECTOR_RM, 0, 0},
    {B, 0x2e, 0x2f, ANY, PS, RM, NO_IMM, VV, 0, 0}, {B, 0x50, 0x50, ANY, PS, REGISTERS, NO_IMM, VECTOR_RM, 0, 0},
    {B, 0x51, 0x51, ANY, ALL4, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x52, 0x53, ANY, PLAIN | WITH_F3, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x54, 0x57, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x58, 0x5a, ANY, ALL4, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x5b, 0x5b, ANY, PS | WITH_F3, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x5c, 0x5f, ANY, ALL4, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x60, 0x6b, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x6c, 0x6d, ANY, WITH_66, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x6e, 0x6e, ANY, PS, RM, NO_IMM, WIDE | VECTOR_REG, 0, 0}, {B, 0x6f, 0x6f, ANY, PS | WITH_F3, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0x70, 0x70, ANY, ALL4, RM, IMM8, VV | ALIGNED, 0, 0}, {B, 0x71, 0x73, 2, PS, REGISTERS, IMM8, VV, 0, 0},
    {B, 0x71, 0x72, 4, PS, REGISTERS, IMM8, VV, 0, 0}, {B, 0x71, 0x73, 6, PS, REGISTERS, IMM8, VV, 0, 0},
    {B, 0x73, 0x73, 3, WITH_66, REGISTERS, IMM8, VV, 0, 0}, {B, 0x73, 0x73, 7, WITH_66, REGISTERS, IMM8, VV, 0, 0},
    {B, 0x74, 0x76, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x77, 0x77, 0, PLAIN, NO_MODRM, NO_IMM, 0, 0, 0},
    {B, 0x7c, 0x7d, ANY, WITH_66 | WITH_F2, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0x7e, 0x7e, ANY, PS, RM, NO_IMM, WIDE | VECTOR_REG, 0, 0},
    {B, 0x7e, 0x7e, ANY, WITH_F3, RM, NO_IMM, VV, 0, 0}, {B, 0x7f, 0x7f, ANY, PS | WITH_F3, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0xc2, 0xc2, ANY, ALL4, RM, IMM8, VV | ALIGNED, 0, 0}, {B, 0xc4, 0xc4, ANY, PS, RM, IMM8, VECTOR_REG, 0, 0},
    {B, 0xc5, 0xc5, ANY, PS, REGISTERS, IMM8, VECTOR_RM, 0, 0}, {B, 0xc6, 0xc6, ANY, PS, RM, IMM8, VV | ALIGNED, 0, 0},
    {B, 0xd0, 0xd0, ANY, WITH_66 | WITH_F2, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0xd1, 0xd5, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0xd6, 0xd6, ANY, WITH_66, RM, NO_IMM, VV, 0, 0}, {B, 0xd6, 0xd6, ANY, SS_SD, REGISTERS, NO_IMM, VV, 0, 0},
    {B, 0xd7, 0xd7, ANY, PS, REGISTERS, NO_IMM, VECTOR_RM, 0, 0}, {B, 0xd8, 0xe5, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0xe6, 0xe6, ANY, WITH_66 | SS_SD, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0xe7, 0xe7, ANY, PS, MEMORY, NO_IMM, VV | ALIGNED, 0, 0},
    {B, 0xe8, 0xef, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0xf0, 0xf0, ANY, WITH_F2, MEMORY, NO_IMM, VV, 0, 0},
    {B, 0xf1, 0xf6, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B, 0xf7, 0xf7, ANY, PS, REGISTERS, NO_IMM, VV, 0, FOR_MASKMOV},
    {B, 0xf8, 0xfe, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B38, 0x00, 0x0b, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B38, 0x1c, 0x1e, ANY, PS, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B38, 0x10, 0x10, ANY, WITH_66, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B38, 0x14, 0x15, ANY, WITH_66, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B38, 0x17, 0x17, ANY, WITH_66, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B38, 0x20, 0x25, ANY, WITH_66, RM, NO_IMM, VV, 0, 0},
    {B38, 0x28, 0x29, ANY, WITH_66, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B38, 0x2a, 0x2a, ANY, WITH_66, MEMORY, NO_IMM, VV | ALIGNED, 0, 0},
    {B38, 0x2b, 0x2b, ANY, WITH_66, RM, NO_IMM, VV | ALIGNED, 0, 0}, {B38, 0x30, 0x35, ANY, WITH_66, RM, NO_IMM, VV, 0, 0},
    {B38, 0x37, 0x41, ANY, WITH_66, RM, NO_IMM, VV | ALIGNED, 0, 0},
    {B3A, 0x08, 0x0e, ANY, WITH_66, RM, IMM8, VV | ALIGNED, 0, 0}, {B3A, 0x0f, 0x0f, ANY, PS, RM, IMM8, VV | ALIGNED, 0, 0},
    {B3A, 0x14, 0x17, ANY, WITH_66, RM, IMM8, WIDE | VECTOR_REG, 0, 0}, {B3A, 0x20, 0x20, ANY, WITH_66, RM, IMM8, VECTOR_REG, 0, 0},
    {B3A, 0x21, 0x21, ANY, WITH_66, RM, IMM8, VV, 0, 0}, {B3A, 0x22, 0x22, ANY, WITH_66, RM, IMM8, WIDE | VECTOR_REG, 0, 0},
    {B3A, 0x40, 0x42, ANY, WITH_66, RM, IMM8, VV | ALIGNED, 0, 0}, {B3A, 0x60, 0x63, ANY, WITH_66, RM, IMM8, WIDE | VV, 0, 0},
};

static const struct form x87_forms[] = {
    {L, 0xd8, 0xd8, ANY, 0, RM, NO_IMM, VV, 0, 0}, {L, 0xda, 0xda, ANY, 0, RM, NO_IMM, VV, 0, 0},
    {L, 0xdc, 0xdc, ANY, 0, RM, NO_IMM, VV, 0, 0}, {L, 0xde, 0xdf, ANY, 0, RM, NO_IMM, VV, 0, 0},
    {L, 0xd9, 0xd9, ANY, 0, REGISTERS, NO_IMM, VV, 0, 0}, {L, 0xdb, 0xdb, ANY, 0, REGISTERS, NO_IMM, VV, 0, 0},
    {L, 0xdd, 0xdd, ANY, 0, REGISTERS, NO_IMM, VV, 0, 0}, {L, 0xd9, 0xd9, 0, 0, MEMORY, NO_IMM, VV, 0, 0},
    {L, 0xd9, 0xd9, 2, 0, MEMORY, NO_IMM, VV, 0, 0}, {L, 0xd9, 0xd9, 3, 0, MEMORY, NO_IMM, VV, 0, 0},
    {L, 0xdb, 0xdb, ANY, 0, MEMORY, NO_IMM, VV, 0, 0}, {L, 0xdd, 0xdd, 0, 0, MEMORY, NO_IMM, VV, 0, 0},
    {L, 0xdd, 0xdd, 1, 0, MEMORY, NO_IMM, VV, 0, 0}, {L, 0xdd, 0xdd, 2, 0, MEMORY, NO_IMM, VV, 0, 0},
    {L, 0xdd, 0xdd, 3, 0, MEMORY, NO_IMM, VV, 0, 0}, {L, 0xdd, 0xdd, 7, 0, MEMORY, NO_IMM, VV, 0, 0},
    {L, 0xd9, 0xd9, 5, 0, MEMORY, NO_IMM, VV, 0, FOR_FCW}, {L, 0xd9, 0xd9, 7, 0, MEMORY, NO_IMM, VV, 0, 0},
    {L, 0x9b, 0x9b, 0, 0, NO_MODRM, NO_IMM, 0, 0, 0}, {L, 0xd9, 0xd9, 4, 0, MEMORY, NO_IMM, VV | OPSIZE, 0, FOR_RELOAD}, {L, 0xdd, 0xdd, 4, 0, MEMORY, NO_IMM, VV | OPSIZE, 0, FOR_RELOAD},
    {L, 0xd9, 0xd9, 6, 0, MEMORY, NO_IMM, VV | OPSIZE, 0, FOR_POINTERS},
    {L, 0xdd, 0xdd, 6, 0, MEMORY, NO_IMM, VV | OPSIZE, 0, FOR_POINTERS}, {B, 0xae, 0xae, 0, PLAIN, MEMORY, NO_IMM, VV | WIDE | ALIGNED, 0, FOR_POINTERS},
    {B, 0xae, 0xae, 1, PLAIN, MEMORY, NO_IMM, VV | WIDE | ALIGNED, 0, FOR_FXRSTOR}, {B, 0xae, 0xae, 2, PLAIN, MEMORY, NO_IMM, VV, 0, FOR_MXCSR},
    {B, 0xae, 0xae, 3, PLAIN, MEMORY, NO_IMM, VV, 0, 0}, {B, 0xae, 0xae, 5, PLAIN, REGISTERS, NO_IMM, VV, 0, 0},
    {B, 0xae, 0xae, 6, PLAIN, REGISTERS, NO_IMM, VV, 0, 0}, {B, 0xae, 0xae, 7, PLAIN, RM, NO_IMM, VV, 0, 0},
};

static const struct form refused_forms[] = {
    {L, 0xe4, 0xe7, 0, 0, NO_MODRM, IMM8, ENDS, 0, 0}, {L, 0xec, 0xef, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0},
    {L, 0xf4, 0xf4, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0}, {L, 0xfa, 0xfb, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0},
    {B, 0x06, 0x06, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0}, {B, 0x08, 0x09, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0},
    {B, 0x0b, 0x0b, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0}, {B, 0xb9, 0xb9, ANY, 0, REGISTERS, NO_IMM, ENDS, 0, 0},
    {B, 0xff, 0xff, ANY, 0, REGISTERS, NO_IMM, ENDS, 0, 0}, {B, 0x30, 0x30, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0},
    {B, 0x32, 0x32, 0, 0, NO_MODRM, NO_IMM, ENDS, 0, 0}, {B, 0x20, 0x20, 0, 0, REGISTERS, NO_IMM, ENDS, 0, 0},
    {B, 0x22, 0x22, 3, 0, REGISTERS, NO_IMM, ENDS, 0, 0}, {B, 0x01, 0x01, 2, 0, MEMORY, NO_IMM, ENDS, 0, 0},
    {B, 0x01, 0x01, 7, 0, MEMORY, NO_IMM, ENDS, 0, 0}, {B, 0x00, 0x00, 2, 0, RM, NO_IMM, ENDS, 0, 0},
    {L, 0x06, 0x07, 0, 0, NO_MODRM, NO_IMM, ENDS | ONLY_64, 0, 0}, {L, 0x27, 0x27, 0, 0, NO_MODRM, NO_IMM, ENDS | ONLY_64, 0, 0},
    {L, 0x60, 0x61, 0, 0, NO_MODRM, NO_IMM, ENDS | ONLY_64, 0, 0}, {L, 0xce, 0xce, 0, 0, NO_MODRM, NO_IMM, ENDS | ONLY_64, 0, 0},
    {L, 0xd4, 0xd6, 0, 0, NO_MODRM, IMM8, ENDS | ONLY_64, 0, 0}, {L, 0xfe, 0xfe, 5, 0, RM, NO_IMM, ENDS, 0, 0},
    {L, 0xff, 0xff, 7, 0, RM, NO_IMM, ENDS, 0, 0}, {B, 0xba, 0xba, 2, 0, RM, IMM8, ENDS, 0, 0},
    {L, 0x8e, 0x8e, 1, 0, RM, NO_IMM, ENDS, 0, 0},
    {B, 0xa6, 0xa7, ANY, 0, REGISTERS, NO_IMM, ENDS, 0, 0}, {B, 0x24, 0x27, ANY, 0, REGISTERS, NO_IMM, ENDS, 0, 0},
};
/* clang-format on */

#define GROUP(name, share)                                   \
    {                                                        \
#name, name##_forms, ARRAY_SIZE(name##_forms), share \
    }
const struct form_group form_groups[] = {
    GROUP(integer, 49), GROUP(string, 4),  GROUP(branch, 5), GROUP(segment, 3),
    GROUP(bmi, 4),      GROUP(vector, 25), GROUP(x87, 9),    GROUP(refused, 1),
};
const u32 form_group_count = ARRAY_SIZE(form_groups);
