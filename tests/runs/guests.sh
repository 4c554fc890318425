#!/bin/bash
# Runs the test guests: records each, checks how it ended and what it printed, replays it
# and expects the same. Under both clock policies, and with noise from several seeds.
# On both processors. One line a test; what a failing one printed follows it. A guest's expectations are in the
# comment at its top:
#   @ends: debug-exit CODE | power-off | reset | triple-fault | dead-halt | unemulated |
#          task-switch | guest-timeout how the recording ends (debug-exit 0 if not given)
#   @options: ...     more options of `hindvisor record`; one run for each such line
#   @input: text      typed on the console, \n for Enter
#   @message: text    must be on stderr
#   @absent: text     must not be on the console
#   @exits: NAME N    so many exits by that reason in the recording's summary
#   @row: N held      the row of features.md that it proves; N refused: its violation is caught
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
hindvisor=${HINDVISOR:-$here/build/hindvisor}
guests=$here/build/guests
seeds=1 clocks="count host" processors="software bochs" jobs=2 keep="" rows=no names=()

usage() {
    echo "usage: tests/runs/guests.sh [--processor NAME] [--seeds N] [--clock count|host] [--jobs N] [--keep DIR] [--rows] [NAME...|refusals]"
    exit "$1"
}
while [ $# -gt 0 ]; do
    case $1 in
    --seeds) seeds=$2; shift ;;
    --processor) processors=$2; shift ;;
    --clock) clocks=$2; shift ;;
    --jobs) jobs=$2; shift ;;
    --keep) keep=$2; shift ;;
    --rows) rows=yes ;;
    -h | --help) usage 0 ;;
    -*) usage 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done

tags() { # NAME TAG: the values of that tag, one a line
    sed -n "/\*\//q; s/^ \* @$2: \{0,1\}//p" "$here/tests/guests/$1.c"
}

end_text() { # of the recording's last line, by the guest's @ends
    case $1 in
    "debug-exit "*) echo "the guest wrote its exit code to the debug-exit port: ${1#* }" ;;
    power-off) echo "the guest powered off" ;;
    reset) echo "the guest asked for a reset" ;;
    triple-fault) echo "the guest triple-faulted" ;;
    dead-halt) echo "the guest halted with interrupts off" ;;
    task-switch) echo "the guest switches tasks by hardware, which is not emulated" ;;
    unemulated) echo "an instruction on device memory cannot be emulated" ;;
    guest-timeout) echo "the limit on guest time was reached" ;;
    *) echo "unknown @ends: $1" ;;
    esac
}

check_record() { # NAME DIR: prints what is wrong
    local name=$1 dir=$2 ends want text
    ends=$(tags "$name" ends)
    ends=${ends:-debug-exit 0}
    want=$(end_text "$ends")
    grep -aqF "recorded: $want" "$dir/record.err" || echo "it should end so: $want"
    grep -aq '^FAIL' "$dir/console" && echo "the guest reports failures"
    # Where its clock is its count, nothing makes it late.
    grep -aq '^late:' "$dir/console" && grep -q '^clock: count' "$dir/trace/manifest" && echo "the guest was late"
    if [ "$ends" = "debug-exit 0" ]; then
        grep -aqE '[0-9]+ passed, 0 failed' "$dir/console" || echo "the guest did not finish"
    fi
    while IFS= read -r text; do
        grep -aqiF -- "$text" "$dir/record.err" || echo "stderr lacks: $text"
    done < <(tags "$name" message)
    while read -r text want; do
        [ "$(awk -v name="$text" '$1 == name {print $2}' "$dir/record.err")" = "$want" ] ||
            echo "there should be $want exits by $text"
    done < <(tags "$name" exits)
    while IFS= read -r text; do
        grep -aqF -- "$text" "$dir/console" && echo "the console must not show: $text"
    done < <(tags "$name" absent)
}

check_replay() { # DIR STATUS: prints what is wrong
    [ "$2" = 0 ] || echo "the replay's exit status is $2"
    cmp -s "$1/console" "$1/replayed" || echo "the replay's console differs"
}

run_one() { # NAME PROCESSOR CLOCK NOISE OPTIONS
    local name=$1 processor=$2 clock=$3 noise=$4 options=$5 label dir wrong status arguments=()
    label="guest:$name:$processor:$clock:noise=$noise${options:+:$options}"
    dir=$(mktemp -d "${keep:-/var/tmp}/guest-XXXXXX")
    [ "$noise" = none ] || arguments+=(--noise "$noise")
    # shellcheck disable=SC2086 # options are words
    printf '%b' "$(tags "$name" input)" | timeout -k 5 60 "$hindvisor" record \
        --kernel "$guests/$name.elf" --processor "$processor" --clock "$clock" "${arguments[@]}" $options -o "$dir/trace" \
        >"$dir/console" 2>"$dir/record.err"
    wrong=$(check_record "$name" "$dir")
    if [ -d "$dir/trace" ]; then
        timeout -k 5 60 "$hindvisor" replay "$dir/trace" --processor "$processor" \
            >"$dir/replayed" 2>"$dir/replay.err" </dev/null
        status=$?
        wrong+=${wrong:+$'\n'}$(check_replay "$dir" $status)
    else
        wrong+=$'\n'"there is no trace"
    fi
    verdict "$label" "$wrong" "$dir"
}

verdict() { # LABEL WRONG DIR
    if [ -z "${2//$'\n'/}" ]; then
        echo "ok $1"
        [ -n "$keep" ] || rm -rf "$3"
        return
    fi
    {
        echo "FAIL $1"
        sed '/^$/d; s/^/    /' <<<"$2"
        for file in console record.err replay.err; do
            [ -s "$3/$file" ] || continue
            echo "    --- $file"
            grep -av '^ok ' "$3/$file" | tail -40 | cut -c1-200 | sed 's/^/    /'
        done
        [ -n "$keep" ] && echo "    kept in $3" || rm -rf "$3"
    } 2>/dev/null
}

# --- what is refused before or instead of a run --------------------------------------

refused() { # LABEL TEXT COMMAND...: stderr must say TEXT, and the status must not be 0
    local label=$1 text=$2 dir wrong="" status
    shift 2
    dir=$(mktemp -d "${keep:-/var/tmp}/guest-XXXXXX")
    (cd "$dir" && timeout -k 5 60 "$@" -o "$dir/trace") >"$dir/console" 2>"$dir/record.err" </dev/null
    status=$?
    [ $status = 2 ] || wrong="the exit status is $status, not 2"$'\n'
    grep -aqF -- "$text" "$dir/record.err" || wrong+="stderr lacks: $text"
    verdict "$label" "$wrong" "$dir"
}

on_cpu() { # MODEL CPUID TEXT: the image on a Bochs CPU that lacks something
    local tools
    tools=$(mktemp -d "${keep:-/var/tmp}/guest-XXXXXX")
    cat >"$tools/bochs" <<EOF
#!/bin/bash
for argument; do
    grep -qs '^cpu:' "\$argument" || continue
    sed -i 's/model=[a-z0-9_]*/model=$1/' "\$argument"
    [ -z "$2" ] || echo "cpuid: $2" >>"\$argument"
done
exec $(command -v bochs) "\$@"
EOF
    chmod +x "$tools/bochs"
    refused "refusal:row 1:$1 without $3" "$3" env "PATH=$tools:$PATH" \
        "$hindvisor" record --processor bochs --kernel "$guests/power_off.elf"
    rm -rf "$tools"
}

sabotaged() { # KIND TEXT ROW [GUEST]: one rule broken on purpose at exit 5 (vmx/sabotage.h)
    refused "refusal:row $3:sabotage $1" "$2" env "HINDVISOR_SABOTAGE=$(($1 | 5 << 8))" \
        "$hindvisor" record --processor bochs --kernel "$guests/${4:-power_off}.elf"
}

all_refusals() {
    local generic="level=6, simd=sse4_2, x86_64=1, apic=x2apic"
    on_cpu bx_generic "$generic, vmx=0" "VT-x (CPUID.1:ECX.VMX is 0)"
    on_cpu bx_generic "$generic, vmx=1" "extended page tables (EPT)"
    on_cpu bx_generic "$generic, vmx=1" "the VMX-preemption timer"
    on_cpu corei5_lynnfield_750 "" "unrestricted guest"
    on_cpu athlon64_venice "" "VT-x (CPUID.1:ECX.VMX is 0)"
    sabotaged 1 "invalid guest state" 2
    sabotaged 2 "VM entry with invalid control field" 3
    sabotaged 3 "a VM exit has no handler" 2
    sabotaged 4 "EPT" 12 launch_state
}

# --- all of them --------------------------------------------------------------------------

list_tests() { # lines: NAME|PROCESSOR|CLOCK|NOISE|OPTIONS
    local name processor clock noise options
    for name in "${names[@]}"; do
        options=$(tags "$name" options)
        while IFS= read -r options; do
            for processor in $processors; do
                for clock in $clocks; do
                    for noise in none $(seq 1 "$seeds"); do
                        echo "$name|$processor|$clock|$noise|$options"
                    done
                done
            done
        done <<<"$options"
    done
}

show_rows() {
    local name row
    for name in "${names[@]}"; do
        tags "$name" row | while read -r row; do echo "$row|$name"; done
    done | cat - <(printf '%s\n' "1 refused|(CPUs that lack something)" "2 refused|(sabotaged entries)" \
        "3 refused|(a sabotaged control)" "12 refused|(a sabotaged EPT entry)") | sort -n | awk -F'|' '{a[$1] = a[$1] " " $2} !seen[$1]++ {order[++n] = $1}
        END {for (i = 1; i <= n; i++) print "row " order[i] ":" a[order[i]]}'
}

refusals=no
if [ ${#names[@]} = 0 ]; then
    refusals=yes
    for file in "$here"/tests/guests/*.c; do names+=("$(basename "$file" .c)"); done
elif [ "${names[*]}" = refusals ]; then # runs that must be refused or stopped, and no guest
    refusals=yes names=()
fi
for name in "${names[@]}"; do
    [ -f "$here/tests/guests/$name.c" ] || { echo "guests.sh: no such guest: $name" >&2; exit 2; }
done
[ $rows = no ] || { show_rows; exit 0; }
[ -z "$keep" ] || mkdir -p "$keep"
[ -x "$hindvisor" ] || { echo "guests.sh: $hindvisor is missing: run make" >&2; exit 2; }

results=$(mktemp /var/tmp/guests-XXXXXX)
trap 'rm -f "$results"' EXIT
export -f run_one tags end_text check_record check_replay verdict
export here hindvisor guests keep
[ ${#names[@]} = 0 ] || list_tests | tr '\n' '\0' | xargs -0 -P "$jobs" -I@ bash -c \
    'IFS="|" read -r name processor clock noise options <<<"$1"; output=$(run_one "$name" "$processor" "$clock" "$noise" "$options"); printf "%s\n" "$output"' \
    bash @ | tee -a "$results"
[ $refusals = no ] || all_refusals | tee -a "$results"

failed=$(grep -ac '^FAIL ' "$results")
echo "$(grep -ac '^ok ' "$results") passed, $failed failed"
[ "$failed" = 0 ]
