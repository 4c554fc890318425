#!/bin/bash
# Many traces, and one trace in many pieces, under job engines that people have: GNU parallel, and
# Slurm's job arrays (a cluster of this machine alone, started here). What docs/MANY_TRACES.md says.
#
# usage: tests/runs/many.sh [BUILD]
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
export HINDVISOR_PROCESSOR=software hindvisor

# --- traces: a long one, some short ones ---------------------------------------------------------------
mkdir "$work/traces"
must_record long/many_blocks "$work/traces/long"
for seed in 1 2 3; do must_record preempt "$work/traces/short-$seed" --noise $seed; done
"$hindvisor" analyze exits "$work/traces/long" --format json >"$work/whole" 2>"$work/out"
result many-whole $? "$work/out"

# merged NAME: the parts in $work/part.* are the whole
merged() {
    "$hindvisor" merge "$work"/part.* --format json >"$work/merged" 2>"$work/out" && cmp "$work/whole" "$work/merged" >>"$work/out"
    result "$1" $? "$work/out" "$work/merged"
    rm -f "$work"/part.*
}

# --- GNU parallel -----------------------------------------------------------------------------------------
# Debian's moreutils has another `parallel`.
if parallel --version 2>/dev/null | grep -q GNU; then
    export PARALLEL_HOME=$work/parallel
    mkdir "$PARALLEL_HOME"
    touch "$PARALLEL_HOME/will-cite"
    expect many-parallel-shards 0 '' parallel -j 2 "$hindvisor" analyze exits "$work/traces/long" --shard {}/7 \
        --partial "$work/part.{}" ::: 1 2 3 4 5 6 7
    merged many-parallel-equals-the-whole
    expect many-parallel-traces 0 '' parallel -j 2 "$hindvisor" analyze exits {} --partial "$work/part.{/}" \
        ::: "$work"/traces/short-*
    sum=0
    for trace in "$work"/traces/short-*; do sum=$((sum + $(sed -n 's/^exits: //p' "$trace/manifest"))); done
    "$hindvisor" merge "$work"/part.* --format csv >"$work/out" 2>&1
    # `samples` is the third column.
    [ "$(awk -F, '/^[A-Z_]+,/ { n += $3 } END { print n }' "$work/out")" = $sum ]
    result many-traces-add-up $? "$work/out"
    rm -f "$work"/part.*
else
    echo "skip many-parallel (GNU parallel is not installed)"
fi

# --- Slurm --------------------------------------------------------------------------------------------------
host=$(hostname -s)
export SLURM_CONF=$work/slurm.conf
stop_slurm() {
    scontrol shutdown >/dev/null 2>&1
    for daemon in munged slurmd slurmctld; do
        [ ! -e "$work/$daemon.pid" ] || kill "$(cat "$work/$daemon.pid")" 2>/dev/null
    done
}
start_slurm() {
    trap 'stop_slurm; rm -rf "$work"' EXIT
    mkdir "$work/state" "$work/spool"
    head -c 1024 /dev/urandom >"$work/munge.key"
    chmod 600 "$work/munge.key"
    munged --force --key-file="$work/munge.key" --socket="$work/munge.sock" --pid-file="$work/munged.pid" \
        --log-file="$work/munged.log" --seed-file="$work/munged.seed" || return
    cat >"$SLURM_CONF" <<CONF
ClusterName=hindvisor
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$work/munge.sock
SlurmUser=$(id -un)
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
ReturnToService=2
MailProg=/bin/true
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
CONF
    slurmctld && slurmd || return
    for _ in $(seq 60); do
        sinfo -h -o %t 2>/dev/null | grep -q idle && return
        sleep 0.5
    done
    return 1
}
if ! command -v slurmctld slurmd munged sbatch >/dev/null; then
    echo "skip many-slurm (slurm-wlm is not installed)"
elif [ "$(id -u)" != 0 ]; then
    echo "skip many-slurm (its node daemon runs as root only)"
else
    start_slurm >"$work/out" 2>&1
    result many-slurm-starts $? "$work/out" "$work/slurmctld.log" "$work/slurmd.log"
    cat >"$work/shards.sh" <<JOB
#!/bin/sh
#SBATCH --array=1-4
exec $hindvisor analyze exits $work/traces/long --shard \$SLURM_ARRAY_TASK_ID/4 --partial $work/part.\$SLURM_ARRAY_TASK_ID
JOB
    expect many-slurm-runs-the-array 0 'Submitted batch job' sbatch --wait -o "$work/array.%a" "$work/shards.sh"
    merged many-slurm-equals-the-whole
    stop_slurm
fi

# --- the catalogue ----------------------------------------------------------------------------------------------
index() { expect "$1" "$2" "$3" "$hindvisor" index "$work/traces" -o "$work/runs.sqlite"; }
query() { sqlite3 "$work/runs.sqlite" "$1"; }
index many-index 0 '4 traces: 4 new, 0 changed, 0 gone, 0 damaged'
index many-index-again 0 '4 traces: 0 new, 0 changed, 0 gone, 0 damaged'
[ "$(query 'SELECT exits FROM runs WHERE path LIKE "%/long"')" = "$(sed -n 's/^exits: //p' "$work/traces/long/manifest")" ]
result many-index-has-the-manifest $?
# Exits by reason are those of the analysis; the last exit of a run has no latency.
query "SELECT reason, samples, min, max FROM exits WHERE path LIKE '%/long' ORDER BY reason" >"$work/indexed"
"$hindvisor" analyze exits "$work/traces/long" --format csv 2>/dev/null >"$work/analyzed"
grep -q '^CPUID|180000|' "$work/indexed" && grep -q '^CPUID,,180000,' "$work/analyzed"
result many-index-has-the-exits $? "$work/indexed" "$work/analyzed"
rm -rf "$work/traces/short-3"
echo "no: such key" >>"$work/traces/short-2/manifest"
index many-index-sees-changes 1 '3 traces: 0 new, 1 changed, 1 gone, 1 damaged'
query 'SELECT problem FROM runs WHERE path LIKE "%/short-2"' | grep -q manifest
result many-index-says-what-is-wrong $?
for i in 1 2 3 4; do "$hindvisor" index "$work/traces" -o "$work/shared.sqlite" >"$work/shared.$i" 2>&1 & done
wait
[ "$(sqlite3 "$work/shared.sqlite" 'SELECT count(*), count(DISTINCT path) FROM runs')" = "3|3" ]
result many-index-by-several-at-once $? "$work"/shared.?
expect many-index-of-no-catalogue 2 'no catalogue' "$hindvisor" index "$work/traces" -o "$work/traces/long/kernel"
expect many-index-of-nowhere 2 'cannot look into' "$hindvisor" index "$work/none" -o "$work/other.sqlite"

exit $failed
