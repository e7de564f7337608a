#!/bin/sh
# Run a command as root on a kernel with nothing but cgroup v2.
#
#	e2e/vm/run.sh [-o FILE] COMMAND [ARG...]
#
# The kernel is Debian's cloud kernel, in qemu. The root of this machine is the
# root in there, with the same paths: read-only by virtiofs, under an overlay on
# a tmpfs, so that whatever the command writes is gone afterwards. $E2E_DIR is a
# fresh ext4, the place for containers: overlay refuses an upper directory that
# lies on an overlay.
#
# The command's output comes out here, and its exit status is ours. What it
# writes to $VM_RESULTS is in FILE afterwards, but for the lines that begin with
# "vm-". A command that takes long says there what it is at, as "vm-now WORDS".
#
# An emulated machine stands still now and then. Until the command starts, that
# costs nothing: after $VM_BOOT seconds, or a panic, the machine is booted again,
# up to three times in all. From then on nothing is repeated. 125 means that the
# machine failed: no kernel, no qemu, three boots in vain, a panic, no sign of
# life for a minute, no output for $VM_STALL seconds, or not done within
# $VM_TIMEOUT. What it was at, its registers, its blocked tasks and the end of
# its console are on stderr then.
#
#	VM_BOOT     seconds for a boot, 60 unless given
#	VM_STALL    seconds without output, 300 unless given
#	VM_TIMEOUT  seconds for the command, 600 unless given
#	VM_ACCEL    qemu's -accel; tcg needs nothing of the host
#	E2E_CACHE   where the kernel is kept, /var/cache/gocker-e2e unless given
#
# Nothing is installed: the kernel's package is only unpacked into the cache.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${E2E_CACHE:-/var/cache/gocker-e2e}/vm

die() {
	echo "vm: $*" >&2
	exit 125
}

# What the guest loads before it leaves the initramfs. Once it has left it,
# there is no modprobe, so all that a network test can ask for is here.
modules="virtio_pci virtio_blk virtio_rng virtiofs overlay veth bridge dummy tun
nf_tables nf_conntrack nft_chain_nat nft_nat nft_masq nft_ct nft_fib_inet
nft_fib_ipv4 nft_fib_ipv6 nft_redir nft_reject_inet nft_log nft_limit br_netfilter"

# Half of it is for inquest: the console has every message, a failing kernel
# prints the stacks of all CPUs, and its addresses are those of System.map.
# no_timer_check: on a loaded host the few interrupts of that check come late,
# and the kernel takes the timer for broken.
kernel_command_line="console=ttyS0 ignore_loglevel panic=-1 panic_print=64 \
unknown_nmi_panic sysrq_always_enabled nokaslr no_timer_check \
random.trust_cpu=on cgroup_no_v1=all mitigations=off"

# fetch_kernel unpacks the newest cloud kernel into $cache/kernel. The name of
# the directory is the commit point: it is complete or absent.
fetch_kernel() {
	[ -d "$cache/kernel" ] && return
	echo "vm: fetching Debian's cloud kernel" >&2
	unpack=$(mktemp -d "$cache/kernel.XXXXXX")
	package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$package" ] || die "apt knows no linux-image-cloud-amd64 (is apt-get update needed?)"
	(cd "$unpack" && apt-get -q download "$package" >apt.log 2>&1) || {
		cat "$unpack/apt.log" >&2
		die "apt-get download $package failed"
	}
	dpkg-deb -x "$unpack"/*.deb "$unpack/root"
	rm "$unpack"/*.deb "$unpack/apt.log"
	# Where /lib is a link to usr/lib, newer packages unpack into usr/lib.
	[ -d "$unpack/root/lib" ] || ln -s usr/lib "$unpack/root/lib"
	release=$(basename "$unpack"/root/boot/vmlinuz-*)
	release=${release#vmlinuz-}
	busybox depmod -b "$unpack/root" "$release"
	echo "$release" >"$unpack/release"
	mv -T "$unpack" "$cache/kernel" || rm -r "$unpack"
}

# dependencies prints the files of a module and of what it needs, those first.
# Its arguments are modules.dep and the module's name.
dependencies() {
	sed -n "s|^\(.*/$2\.ko[^:]*\): *\(.*\)|\1 \2|p" "$1" |
		tr ' ' '\n' | sed '/^$/d' | tac
}

# make_initramfs puts busybox, the modules and the init script into an archive.
# modules.load is the order in which they have to be loaded.
make_initramfs() {
	lib=$cache/kernel/root/lib/modules/$(cat "$cache/kernel/release")
	tree=$work/initramfs
	mkdir -p "$tree/bin" "$tree/modules" "$tree/proc" "$tree/sys" "$tree/dev" \
		"$tree/lower" "$tree/upper" "$tree/root"
	cp "$(command -v busybox)" "$tree/bin/busybox"
	cp "$here/init" "$tree/init"
	cp "$work/command" "$tree/command"
	for module in $modules; do
		dependencies "$lib/modules.dep" "$module"
	done | awk '!seen[$0]++' >"$work/modules"
	: >"$tree/modules.load"
	while read -r file; do
		cp "$lib/$file" "$tree/modules/"
		basename "$file" >>"$tree/modules.load"
	done <"$work/modules"
	# Speed matters more than size: it is read once, from memory.
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$work/initramfs.cpio"
}

# start_virtiofsd serves / on a socket. There are two programs of this name:
# qemu's own, in C, until version 7, and its successor in Rust.
start_virtiofsd() {
	for daemon in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd /usr/lib/virtiofsd; do
		[ -x "$daemon" ] && break
	done
	[ -x "$daemon" ] || die "no virtiofsd (Debian: qemu-system-common or virtiofsd)"
	if "$daemon" --help 2>&1 | grep -q -- --shared-dir; then
		"$daemon" --socket-path="$boot/virtiofs" --shared-dir=/ --sandbox=chroot --cache=always \
			>"$boot/virtiofsd.log" 2>&1 </dev/null &
	else
		"$daemon" --socket-path="$boot/virtiofs" -o source=/ -o sandbox=chroot -o cache=always \
			>"$boot/virtiofsd.log" 2>&1 </dev/null &
	fi
	virtiofsd=$!
	tries=0
	until [ -S "$boot/virtiofs" ]; do
		kill -0 "$virtiofsd" 2>/dev/null || die "virtiofsd: $(cat "$boot/virtiofsd.log")"
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || die "virtiofsd opened no socket within 10 seconds"
		sleep 0.1
	done
}

# start_qemu boots the machine. Three serial lines: the console, the command's
# output, the results. The monitor's commands go to descriptor 3. A panic resets
# the machine and a reset ends qemu.
start_qemu() {
	truncate -s 8G "$boot/ext4"
	mkfs.ext4 -q -F "$boot/ext4"
	mkfifo "$boot/monitor.in" "$boot/monitor.out"
	# The interrupts of an ISA bus are edges, so no two lines may share one:
	# the third would have the console's.
	qemu-system-x86_64 \
		-nodefaults -no-user-config -display none -no-reboot \
		-machine q35,memory-backend=ram -cpu max,la57=off -smp 2 -m 3G \
		-accel "${VM_ACCEL:-tcg,thread=multi,tb-size=512}" \
		-object memory-backend-memfd,id=ram,size=3G,share=on \
		-chardev socket,id=fs,path="$boot/virtiofs" \
		-device vhost-user-fs-pci,chardev=fs,tag=host \
		-drive if=none,id=disk,file="$boot/ext4",format=raw,cache=unsafe \
		-device virtio-blk-pci,drive=disk -device virtio-rng-pci \
		-serial file:"$boot/console" -serial file:"$boot/output" \
		-chardev file,id=results,path="$boot/results" -device isa-serial,chardev=results,index=2,irq=5 \
		-chardev pipe,id=monitor,path="$boot/monitor" -mon chardev=monitor,mode=readline \
		-kernel "$cache"/kernel/root/boot/vmlinuz-* -initrd "$work/initramfs.cpio" \
		-append "$kernel_command_line" \
		</dev/null >"$boot/qemu.log" 2>&1 &
	qemu=$!
	# Opened for both, a fifo makes nobody wait for its other end.
	exec 3<>"$boot/monitor.in"
	cat <>"$boot/monitor.out" >"$boot/monitor.log" &
	monitor=$!
}

# stop ends what start_* have begun. A machine that stands still may not listen
# to SIGTERM, and has nothing to lose.
stop() {
	for process in "${qemu:-}" "${virtiofsd:-}" "${monitor:-}" "${follower:-}"; do
		[ -z "$process" ] || kill -KILL "$process" 2>/dev/null || :
	done
	wait
	qemu='' virtiofsd='' monitor='' follower=''
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	status=$?
	stop
	rm -rf "$work"
	exit "$status"
}

# seconds sets $now to a clock that nobody sets.
seconds() {
	read -r now _ </proc/uptime
	now=${now%.*}
}

# size prints how much the machine has said, without its signs of life.
size() {
	cat "$boot/output" "$boot/results" 2>/dev/null | grep -av '^vm-alive' | wc -c
}

# wait_for_boot returns once the command starts. Otherwise it sets $trouble.
wait_for_boot() {
	seconds
	end=$((now + ${VM_BOOT:-60}))
	while [ "$(size)" = 0 ]; do
		seconds
		if ! kill -0 "$qemu" 2>/dev/null; then
			status=0
			wait "$qemu" || status=$?
			[ "$(size)" = 0 ] || return 0 # a command of no time at all
			trouble="the machine ended before it was up (qemu: $status)"
			return 1
		elif [ "$now" -ge "$end" ]; then
			trouble="not up within ${VM_BOOT:-60} seconds"
			return 1
		fi
		sleep 0.2
	done
}

# wait_for_command returns once the machine has ended. If it has to be ended,
# $trouble says why.
wait_for_command() {
	seconds
	end=$((now + ${VM_TIMEOUT:-600}))
	said=0 said_at=$now beats=0 alive_at=$now
	while kill -0 "$qemu" 2>/dev/null; do
		sleep 0.5
		seconds
		grown=$(size)
		[ "$grown" = "$said" ] || said=$grown said_at=$now
		grown=$(wc -c <"$boot/results")
		[ "$grown" = "$beats" ] || beats=$grown alive_at=$now
		if [ $((now - alive_at)) -ge 60 ]; then
			trouble="no sign of life for 60 seconds"
		elif [ $((now - said_at)) -ge "${VM_STALL:-300}" ]; then
			trouble="no output for ${VM_STALL:-300} seconds"
		elif [ "$now" -ge "$end" ]; then
			trouble="not done within ${VM_TIMEOUT:-600} seconds"
		else
			continue
		fi
		return 1
	done
	status=0
	wait "$qemu" || status=$?
	grep -q '^vm-exit ' "$boot/results" && return
	trouble="the machine ended without the command's status (qemu: $status)"
	return 1
}

# inquest prints what can be known of a machine that failed.
inquest() {
	echo "vm: $trouble"
	sed -n 's/^vm-now /vm: it was at: /p' "$boot/results" 2>/dev/null | tail -n 1
	lines=$(wc -l <"$boot/console")
	first=$((lines - 100)) # a panic is long
	if kill -0 "$qemu"; then
		first=$((lines - 30))
		for process in "$qemu" "$virtiofsd"; do
			for task in /proc/"$process"/task/*; do
				echo "vm: thread $(cat "$task/comm") waits in $(cat "$task/wchan")"
			done
		done
		# The log level, the stacks of the CPUs, the blocked tasks.
		for line in "info registers -a" "sendkey alt-sysrq-9" "sendkey alt-sysrq-l" "sendkey alt-sysrq-w"; do
			echo "$line" >&3
			sleep 2
		done
		# A kernel that takes no keys panics at an interrupt that it can't mask.
		if [ "$(wc -l <"$boot/console")" = "$lines" ]; then
			echo nmi >&3
			sleep 5
		fi
		tr '\r' '\n' <"$boot/monitor.log" | grep -a -e '^CPU#' -e '^RIP=' || :
	fi
	cat "$boot/qemu.log" "$boot/virtiofsd.log"
	echo "vm: --- the end of its console"
	tail -n +$((first > 0 ? first : 1)) "$boot/console" | tr -d '\r'
	echo "vm: ---"
} 2>/dev/null

quote() {
	for word; do
		printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"
	done
	echo
}

results=
if [ "${1:-}" = -o ]; then
	results=$2
	shift 2
fi
[ $# -gt 0 ] || die "usage: run.sh [-o FILE] COMMAND [ARG...]"
[ "$(id -u)" = 0 ] || die "only root can share the whole root directory"
for tool in qemu-system-x86_64 busybox cpio mkfs.ext4; do
	command -v "$tool" >/dev/null || die "no $tool on this machine"
done

mkdir -p "$cache"
work=$(mktemp -d /var/tmp/gocker-vm.XXXXXX)
trap cleanup EXIT
trap 'exit 125' INT TERM

{
	echo "cd $(quote "$PWD")"
	quote "$@"
} >"$work/command"

fetch_kernel
make_initramfs

try=1
while :; do
	boot=$work/$try
	mkdir "$boot"
	start_virtiofsd
	start_qemu
	wait_for_boot && break
	inquest >&2
	stop
	rm "$boot/ext4"
	[ "$try" -lt 3 ] || die "three boots in vain"
	try=$((try + 1))
	echo "vm: booting again, try $try of 3" >&2
done

tail -s 0.2 -n +1 -f --pid="$qemu" "$boot/output" &
follower=$!
status=0
wait_for_command || status=125
if [ "$status" = 0 ]; then
	wait "$follower" || :
	follower=
fi
[ -z "$results" ] || sed '/^vm-/d' "$boot/results" >"$results"
if [ "$status" != 0 ]; then
	inquest >&2
	die "$trouble"
fi
exit "$(sed -n 's/^vm-exit //p' "$boot/results" | tail -n 1)"
