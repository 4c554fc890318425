# Does the instruction at each exit's RIP explain its reason? Input: `analyze exits --show log
# --format csv`. Output: `explained N`, and a line for each exit whose instruction does not fit.
# Linux patches RDTSC to RDTSCP where it runs on.
BEGIN {
    FS = ","
    fits["CPUID"] = "^cpuid$"
    fits["HLT"] = "^hlt$"
    fits["RDTSC"] = fits["RDTSCP"] = "^rdtscp?$"
    fits["MSR_READ"] = "^rdmsr$"
    fits["MSR_WRITE"] = "^wrmsr$"
    fits["WBINVD"] = "^wbinvd$"
    fits["IO_INSTRUCTION"] = "^(rep )?(in|out)"
    fits["CR_ACCESS"] = "^(mov|clts|lmsw|smsw)"
}
NR > 1 && $4 in fits {
    instruction = $0
    for (i = 1; i < 11; i++) # the eleventh column, which may hold commas
        sub(/^[^,]*,/, "", instruction)
    gsub(/"/, "", instruction)
    if (instruction ~ fits[$4])
        explained++
    else
        print $4, $5, instruction
}
END { print "explained", explained + 0 }
