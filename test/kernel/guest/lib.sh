# Functions for guest scripts. Sourced before each of them; $H is the folder shared with the host.
# MD is a name like md0, DEV a path like /dev/md0; numbers are sectors.
H=/tmp/host
d0=/dev/ubda d1=/dev/ubdb d2=/dev/ubdc d3=/dev/ubdd d4=/dev/ubde d5=/dev/ubdf d6=/dev/ubdg d7=/dev/ubdh
d8=/dev/ubdi d9=/dev/ubdj d10=/dev/ubdk d11=/dev/ubdl d12=/dev/ubdm d13=/dev/ubdn d14=/dev/ubdo d15=/dev/ubdp

mods() { # NAME...: modules are not all loaded on demand
	for mod in "$@"; do modprobe $mod || return 1; done
}

until_true() { # SECONDS COMMAND...: runs it again and again; fails when the time is over
	ut_left=$(($1 * 50)); shift
	until "$@"; do
		ut_left=$((ut_left - 1))
		[ $ut_left -gt 0 ] || { echo "timed out: $*" >&2; return 1; }
		usleep 20000
	done
}

md_value() { # MD FILE
	read -r mv_value 2>/dev/null </sys/block/$1/md/$2 && echo "$mv_value"
}

md_idle() { # MD: nothing runs and nothing is about to start
	for mi_turn in 1 2 3; do
		case $(md_value $1 sync_action) in idle | '') ;; *) return 1 ;; esac
		usleep 5000
	done
}

md_wait() { # MD: until resync, recovery or reshape has ended
	until_true 60 md_idle $1
}

md_clean() { # MD: its superblocks say that nothing is being written
	[ "$(md_value $1 array_state)" = clean ]
}

md_filling() { # MD: a member in a slot does not hold all that it should
	for mf_dev in /sys/block/$1/md/dev-*; do
		case "$(cat $mf_dev/slot) $(cat $mf_dev/recovery_start)" in *' none') ;; [0-9]*) return 0 ;; esac
	done
	return 1
}

md_rest() { # MD: nothing runs, and nothing is left to do. Before a recovery, and between it and the resync that comes after it, the kernel is idle for a moment.
	md_idle $1 && ! md_filling $1 || return 1
	case "$(md_value $1 degraded) $(md_value $1 resync_start)" in '0 none' | [1-9]*) ;; *) return 1 ;; esac
}

md_check() { # MD: when it is at rest, since a resync counts what it mends as mismatches, has the kernel compare all copies and parity; prints "mismatches SECTORS"
	until_true 60 md_rest $1 || return 1
	echo check >/sys/block/$1/md/sync_action
	md_wait $1 && echo "mismatches $(md_value $1 mismatch_cnt)"
}

md_stop() { # MD: -S says busy while somebody still has the device open
	until_true 10 mdadm -S /dev/$1 2>/tmp/md_stop || { cat /tmp/md_stop >&2; return 1; }
}

stamp() { # DEV SEED [START COUNT]: copies sectors of the stamp file; without a range the whole device
	st_start=${3:-0}
	st_count=${4:-$(blockdev --getsz $1)}
	dd if=$H/stamp-$2 of=$1 bs=65536 iflag=skip_bytes,count_bytes,fullblock oflag=seek_bytes conv=notrunc,fsync \
		skip=$((st_start * 512)) seek=$((st_start * 512)) count=$((st_count * 512)) status=none
}

overwrite() { # DEV SEED PERMILLE COUNT: stamps COUNT sectors, from that part of the device on, as far as it goes
	ov_size=$(blockdev --getsz $1)
	ov_start=$((ov_size * $3 / 1000))
	ov_count=$4
	[ $((ov_start + ov_count)) -le $ov_size ] || ov_count=$((ov_size - ov_start))
	stamp $1 $2 $ov_start $ov_count
}

stamp_scattered() { # DEV SEED SECTORS WRITES FIRST: writes of SECTORS, at places that FIRST decides, never ending when WRITES is 0
	ss_size=$(blockdev --getsz $1)
	ss_at=$5
	ss_left=$4
	while :; do
		ss_at=$(((ss_at * 1103515245 + 12345) % 2147483648))
		stamp $1 $2 $((ss_at / 16 % (ss_size / $3) * $3)) $3
		ss_left=$((ss_left - 1))
		[ $ss_left -ne 0 ] || return 0
	done
}

stamp_in_turn() { # DEV SECTORS SEEDS PERMILLE...: stamps each of the places with one seed, then with the next, never ending
	si_dev=$1 si_sectors=$2 si_seeds=$3; shift 3
	while :; do
		for si_seed in $si_seeds; do
			for si_at in "$@"; do overwrite $si_dev $si_seed $si_at $si_sectors || return 1; done
		done
	done
}

md_io() { # MD LABEL: prints "LABEL read SECTORS written SECTORS", of all members since they came
	mo_read=0 mo_written=0
	for mo_stat in /sys/block/$1/slaves/*/stat; do
		read -r mo_1 mo_2 mo_r mo_4 mo_5 mo_6 mo_w mo_rest <$mo_stat
		mo_read=$((mo_read + mo_r)) mo_written=$((mo_written + mo_w))
	done
	echo "$2 read $mo_read written $mo_written"
}

look() { # DEV LABEL: reads all of it from the disks and notes "LABEL BYTES SHA256"
	lk_bytes=0 lk_sum=unreadable
	if [ -b $1 ]; then
		sync
		blockdev --flushbufs $1
		lk_bytes=$(blockdev --getsize64 $1)
		set -- $1 $2 $(sha256sum <$1)
		lk_sum=${3:-unreadable}
	fi
	echo "$2 $lk_bytes $lk_sum" | tee -a $H/looks
}

slices() { # DISK NAME:START:COUNT...: /dev/mapper/NAME for each piece of DISK, one process for all
	sl_table=; sl_disk=$1; shift
	for sl_each in "$@"; do
		sl_name=${sl_each%%:*}; sl_rest=${sl_each#*:}
		sl_table="$sl_table${sl_table:+;}$sl_name,,,rw,0 ${sl_rest#*:} linear $sl_disk ${sl_rest%%:*}"
	done
	dmsetup create --concise "$sl_table" && dmsetup mknodes
}

hold_at() { # MD SECTOR: what starts next stops there. To be called before it starts.
	echo $2 >/sys/block/$1/md/sync_max
}

md_progress() { # MD: the member sector reached, and the line of /proc/mdstat that has (DONE/ALL)
	echo "$(md_value $1 sync_completed) $(sed -n "/^$1 :/,/^\$/s/.*(\([0-9]*\/[0-9]*\)).*/\1/p" /proc/mdstat)"
}

md_held() { # MD: it runs, has come somewhere, and does not move
	mh_first=$(md_progress $1)
	case $mh_first in *' ' | *' 0/'*) return 1 ;; esac
	for mh_turn in 1 2 3 4 5 6; do
		usleep 20000
		[ "$(md_progress $1)" = "$mh_first" ] || return 1
	done
}

held() { # MD: waits until what was limited by hold_at stands still
	until_true 15 md_held $1 || { cat /proc/mdstat >&2; return 1; }
	echo "held $1: $(md_value $1 sync_action) $(md_progress $1) reshape $(md_value $1 reshape_position)"
}

growhold() { # MD SECTOR MDADM-GROW-ARGUMENTS...: starts a reshape that stops at SECTOR
	# mdadm --grow writes "max" into sync_max, and where it must back something up its helper goes on doing so: it meets
	# a scratch file there, until the array is stopped and the mount point goes away.
	gh_md=$1
	hold_at $1 $2 || return 1
	shift 2
	echo max >/tmp/sync_max
	mount --bind /tmp/sync_max /sys/block/$gh_md/md/sync_max
	mdadm --grow /dev/$gh_md "$@" || { umount /sys/block/$gh_md/md/sync_max; return 1; }
	held $gh_md
}

shrinkhold() { # MD SECTOR DISKS MOVE: a reshape to fewer disks, the data MOVE sectors further on, that stops at SECTOR
	# mdadm would ask for a backup file; the kernel itself needs none when the data moves.
	echo $3 >/sys/block/$1/md/raid_disks || return 1
	for sh_file in /sys/block/$1/md/dev-*/new_offset; do
		read -r sh_old <$sh_file
		echo $((sh_old + $4)) >$sh_file || return 1
	done
	hold_at $1 $2 || return 1
	echo reshape >/sys/block/$1/md/sync_action || return 1
	held $1
}

jobs_of() { # NAME...: runs $H/NAME.job one after the other, each on its own; notes "NAME EXIT" in $H/jobs
	set +e
	for jo_name in "$@"; do
		read -r jo_start jo_rest </proc/uptime
		(set -e; . $H/$jo_name.job) >$H/$jo_name.log 2>&1
		jo_exit=$?
		read -r jo_end jo_rest </proc/uptime
		echo "from $jo_start to $jo_end" >>$H/$jo_name.log
		echo "$jo_name $jo_exit" >>$H/jobs
		# A job that failed may have left its array behind.
		[ $jo_exit -eq 0 ] || mdadm -S --scan >>$H/$jo_name.log 2>&1
	done
}

ready() { # Tells the host that the guest may be killed now.
	echo ready >$H/ready
	sleep 600
}
