#!/bin/busybox sh
# The guest's first process: mounts, limits, runs the script that the host left in the share, powers off.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/tmp
export DM_DISABLE_UDEV=1 MDADM_NO_UDEV=1
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev 2>/dev/null
for folder in /tmp /run /var /mnt /etc/lvm; do mount -t tmpfs none $folder; done
mkdir -p /tmp/host /run/mdadm /run/lock /var/lock /mnt/a /mnt/b
mount -t hostfs -o "$HFSHARE" none /tmp/host
cat >/etc/lvm/lvm.conf <<'CONF'
activation { udev_sync=0 udev_rules=0 monitoring=0 }
devices { types=["ubd",16] use_devicesfile=0 }
global { use_lvmpolld=0 event_activation=0 }
CONF
cd /tmp
sh /tmp/host/run.sh
echo $? >/tmp/host/exit
sync
poweroff -f
