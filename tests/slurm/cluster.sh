#!/usr/bin/env bash
# A SLURM cluster of one node, this machine, on loopback: `cluster.sh start DIR`, then `export SLURM_CONF=DIR/slurm.conf`
# and use sbatch as anywhere; `cluster.sh stop DIR` ends it. Needs root and Debian's slurm-wlm and munge. Jobs take one of
# CPUS places, by default as many as the machine has cores; they are not confined to one.
set -euo pipefail
usage="usage: cluster.sh start|stop DIR [CPUS]"
command=${1:?$usage}
dir=$(realpath -m "${2:?$usage}")
cpus=${3:-$(nproc)}

start() {
  mkdir -p "$dir"/{state,spool,log}
  chmod 700 "$dir"
  head -c 1024 /dev/urandom > "$dir/munge.key"
  chmod 400 "$dir/munge.key"
  munged --force --socket "$dir/munge.socket" --key-file "$dir/munge.key" --pid-file "$dir/munged.pid" \
    --log-file "$dir/log/munged.log" --seed-file "$dir/munge.seed"
  cat > "$dir/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmdParameters=config_overrides
SlurmUser=$(id -un)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobRequeue=1
KillWait=60
MinJobAge=300
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
NodeName=localhost NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
  export SLURM_CONF=$dir/slurm.conf
  slurmctld
  slurmd -N localhost
  for _ in $(seq 600); do
    if sinfo --noheader --format %T 2>/dev/null | grep -q idle; then return; fi
    sleep 0.2
  done
  sinfo || true
  tail -n 20 "$dir"/log/*.log >&2
  stop
  echo "cluster.sh: the node is not idle after two minutes" >&2
  exit 1
}

stop() {
  for name in slurmd slurmctld munged; do
    if [ -e "$dir/$name.pid" ]; then kill "$(cat "$dir/$name.pid")" 2>/dev/null || true; fi
  done
}

case $command in
  start) start ;;
  stop) stop ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
