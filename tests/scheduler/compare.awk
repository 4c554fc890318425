# Compares what the trace says of the scheduler with what the guest said itself, for
# tests/runs/scheduler.sh. Input, in this order:
#
#   events=1  `analyze scheduler --show log --format csv`
#   exits=1   `analyze exits --show log --format csv`
#   console   what tests/scheduler/init printed
#
# Output: a line `NAME COUNT BAD EXTREMES...` for each comparison; the script says what is good.
# Times are guest ns; all numbers are below 2^53, where awk is exact.

function hex(text,    i, n) {
    for (i = 3; i <= length(text); i++)
        n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
    return n
}
function extremes(name, value) {
    if (!(name in seen) || value < low[name]) low[name] = value
    if (!(name in seen) || value > high[name]) high[name] = value
    seen[name]++
}
function report(name, count, bad) {
    printf "%s %d %d %.0f %.0f\n", name, count, bad, low[name], high[name]
}
# Switches before exit `e`: an event belongs to the exit that came next.
function switches_before(e,    a, b, m) {
    a = 0; b = switches
    while (a < b) { m = int((a + b) / 2); if (switch_exit[m + 1] <= e) a = m + 1; else b = m }
    return a
}
# The last deadline programmed before exit `e`.
function deadline_before(e,    a, b, m) {
    a = 0; b = deadlines
    while (a < b) { m = int((a + b) / 2); if (deadline_exit[m + 1] < e) a = m + 1; else b = m }
    return deadline[a]
}

BEGIN { FS = "," }

# --- the trace ------------------------------------------------------------------------------------
events && FNR > 1 {
    kind = $3; pid = $5; other = $10; exit_number = $12
    if (kind == "switch") {
        switch_exit[++switches] = exit_number
        # What the kernel has counted by the time of this switch, by task: a history of each.
        left[pid]++; left_at[pid, left[pid]] = switches
        involuntary[pid, left[pid]] = involuntary[pid, left[pid] - 1] + $8
        came[other]++; came_at[other, came[other]] = switches
        ran[pid, left[pid]] = ran[pid, left[pid] - 1] + (pid in in_at ? $1 - in_at[pid] : 0)
        in_at[other] = $1
        if ($7 == "R" || $8 == 1) ready_at[pid] = $1
        waited[other, came[other]] = waited[other, came[other] - 1] + \
                                     (other in ready_at ? $1 - ready_at[other] : 0)
        delete ready_at[other]
        runner[switches] = other
        if (other in woken_at) {
            n = ++rounds[other]
            round_in[other, n] = $1; round_wake_exit[other, n] = woken_exit[other]
            delete woken_at[other]
        }
    }
    if (kind == "wake" && !(pid in woken_at)) { woken_at[pid] = $1; woken_exit[pid] = exit_number }
    if ((kind == "wake" || kind == "new") && !(pid in ready_at) && pid != runner[switches])
        ready_at[pid] = $1
    if (kind == "switch" || kind == "wake" || kind == "new") {
        list_time[++listed] = $1
        list_what[listed] = kind == "switch" ? "switch " pid " " other : kind " " pid
    }
    next
}
exits && FNR > 1 {
    if ($4 == "IO_INSTRUCTION" && $6 == "0x800043") { # 4 bytes to port 0x80, by its number in the code
        n = hex($8)
        mark_begin[n] = mark_end[n]; mark_end[n] = $1 # the last two, if a number was used again
    }
    if ($4 == "MSR_WRITE" && $7 == "0x6e0") { # IA32_TSC_DEADLINE; the guest's TSC counts ns
        deadline_exit[++deadlines] = $1; deadline[deadlines] = hex($8)
    }
    next
}
events || exits { next }

# --- the guest ------------------------------------------------------------------------------------
{ sub(/\r$/, ""); count = split($0, word, /[ :]+/) }

function history(table_at, total, pid, switch_number,    n) {
    for (n = total; n > 0 && table_at[pid, n] > switch_number; n--)
        ;
    return n
}
# Nothing may have happened while a reading was taken.
function reading(n) {
    at = switches_before(mark_begin[n])
    if (at == switches_before(mark_end[n])) return 1
    disturbed++
    return 0
}

word[1] == "W" && word[2] == "stat" && reading(word[3]) {
    extremes("ctxt", word[4] - at)
    ctxts++; ctxt_bad += word[4] != at
    window_switches = at - window_start
    if (ctxts == 1) window_start = at
}
word[1] == "W" && word[2] == "task" && reading(word[3]) {
    pid = word[4]
    out = history(left_at, left[pid], pid, at); arrived = history(came_at, came[pid], pid, at)
    voluntary = out - involuntary[pid, out]
    task_bad += word[5] != voluntary || word[6] != involuntary[pid, out] + 0 || word[9] != arrived
    tasks++
    # Between two readings of a task: how often it was switched away from. Each stint has an error,
    # and those that the readings cut in two are stints as well.
    run = word[7] - ran[pid, out]; wait = word[8] - waited[pid, arrived]
    if (pid in task_out && out > task_out[pid] && pid != runner[at]) {
        moved++
        extremes("run-a-switch", (run - task_run[pid]) / (out - task_out[pid] + 1))
        extremes("wait-a-switch", (wait - task_wait[pid]) / (out - task_out[pid]))
    }
    task_out[pid] = out; task_run[pid] = run; task_wait[pid] = wait
}
word[1] == "T" && word[3] != "sched_wakeup" && word[3] != "sched_process_exit" {
    what = word[3] == "switch" ? "switch " word[4] " " word[5] : \
           (word[3] == "sched_waking" ? "wake " : "new ") word[4]
    if (!place) # the first of the guest's own events: here its list begins
        for (place = 1; place <= listed && !(list_what[place] == what && \
             list_time[place] - word[2] < 5000 && word[2] - list_time[place] < 5000); place++)
            ;
    traced++
    if (list_what[place] != what) traced_bad++
    extremes(word[3] == "switch" ? "switch-after-tracepoint" : "waking-after-function", \
             word[3] == "switch" ? list_time[place] - word[2] : word[2] - list_time[place])
    if (word[3] == "switch") {
        if (word[5] in guest_woken) {
            d = (word[2] - guest_woken[word[5]]) - (list_time[place] - trace_woken[word[5]])
            extremes("latency", d < 0 ? -d : d)
            guest_latencies++
            delete guest_woken[word[5]]
        }
    } else if (!(word[4] in guest_woken)) {
        guest_woken[word[4]] = word[2]; trace_woken[word[4]] = list_time[place]
    }
    place++
}
word[1] == "C" && count == 4 && word[2] == "0" || word[1] == "C" && word[2] == "" && word[3] == "0" {
    lateness[++cycles] = word[count]
}
word[1] == "P" { cyclictest = word[2] }
word[1] == "Q" { measuring = word[2] }
# "000012 000034": so many samples of that many us; the buckets ascend, and so do the samples.
word[1] == "D" && word[2] ~ /^[0-9]+$/ {
    for (n = word[3] + 0; n > 0; n--) sample[++samples] = word[2] + 0
}
word[1] == "D" && word[3] == "Total" { total = word[4] + 0 }
word[1] == "D" && word[4] == "Overflows" { overflows = word[5] + 0 }

# The trace's times from deadline to first run of that task, ascending.
function latenesses(task,    n, m, value) {
    for (n = 1; n <= rounds[task]; n++) {
        value = round_in[task, n] - deadline_before(round_wake_exit[task, n])
        for (m = n - 1; m > 0 && late[m] > value; m--) late[m + 1] = late[m]
        late[m + 1] = value
    }
    return rounds[task]
}
# How many of the trace's, so many ns later, are in buckets up to `us`?
function up_to(us, shift,    n) {
    for (n = 1; n <= rounds[measuring] && late[n] + shift < (us + 1) * 1000; n++)
        ;
    return n - 1
}
# cyclictest reads its clock some hundred ns after the switch to it: how many, its single samples
# say. It takes the difference of two times in whole us, which is off by less than one. So bucket by
# bucket as many samples as the trace has from a bucket less to a bucket more.
function compare_histograms(    n, bad, shift) {
    shift = cycles ? sum / cycles : 0
    bad = latenesses(measuring) != samples || samples != total || overflows
    for (n = 1; n <= samples; n++) {
        extremes("histogram", sample[n] * 1000 - late[n])
        if (n == samples || sample[n + 1] != sample[n])
            bad += n < up_to(sample[n] - 1, shift) || n > up_to(sample[n] + 1, shift)
    }
    report("histogram", samples, bad)
}

END {
    report("ctxt", ctxts, ctxt_bad)
    report("window", window_switches, 0)
    report("tasks", tasks, task_bad)
    report("run-a-switch", moved, 0)
    report("wait-a-switch", moved, 0)
    report("moved", moved, 0)
    report("disturbed", disturbed, 0)
    report("traced", traced, traced_bad)
    report("switch-after-tracepoint", traced, 0)
    report("waking-after-function", traced, 0)
    report("latency", guest_latencies, 0)
    for (n = 1; n <= cycles; n++) {
        d = lateness[n] - (round_in[cyclictest, n] - deadline_before(round_wake_exit[cyclictest, n]))
        extremes("lateness", d)
        sum += d
    }
    report("lateness", cycles, cycles != rounds[cyclictest])
    compare_histograms()
}
