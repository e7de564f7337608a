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
# writes to $VM_RESULTS is in FILE afterwards. 125 means that the machine itself
# failed: no kernel, no qemu, a panic, or not done within $VM_TIMEOUT seconds.
#
#	VM_TIMEOUT  seconds, 600 unless given
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
		"$daemon" --socket-path="$work/virtiofs" --shared-dir=/ --sandbox=chroot --cache=always \
			>"$work/virtiofsd.log" 2>&1 </dev/null &
	else
		"$daemon" --socket-path="$work/virtiofs" -o source=/ -o sandbox=chroot -o cache=always \
			>"$work/virtiofsd.log" 2>&1 </dev/null &
	fi
	virtiofsd=$!
	tries=0
	until [ -S "$work/virtiofs" ]; do
		kill -0 "$virtiofsd" 2>/dev/null || die "virtiofsd: $(cat "$work/virtiofsd.log")"
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || die "virtiofsd opened no socket within 10 seconds"
		sleep 0.1
	done
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	status=$?
	[ -z "${qemu:-}" ] || kill "$qemu" 2>/dev/null || :
	[ -z "${virtiofsd:-}" ] || kill "$virtiofsd" 2>/dev/null || :
	wait
	rm -rf "$work"
	exit "$status"
}

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
truncate -s 8G "$work/ext4"
mkfs.ext4 -q -F "$work/ext4"
start_virtiofsd

# Three serial lines: the console, the command's output, the results. A panic
# resets the machine and a reset ends qemu.
timeout --foreground "${VM_TIMEOUT:-600}" qemu-system-x86_64 \
	-nodefaults -no-user-config -display none -no-reboot \
	-machine q35,memory-backend=ram -cpu max,la57=off -smp 2 -m 3G \
	-accel "${VM_ACCEL:-tcg,thread=multi,tb-size=512}" \
	-object memory-backend-memfd,id=ram,size=3G,share=on \
	-chardev socket,id=fs,path="$work/virtiofs" \
	-device vhost-user-fs-pci,chardev=fs,tag=host \
	-drive if=none,id=disk,file="$work/ext4",format=raw,cache=unsafe \
	-device virtio-blk-pci,drive=disk -device virtio-rng-pci \
	-serial file:"$work/console" -serial stdio -serial file:"$work/results" \
	-kernel "$cache"/kernel/root/boot/vmlinuz-* -initrd "$work/initramfs.cpio" \
	-append "console=ttyS0 quiet panic=-1 random.trust_cpu=on cgroup_no_v1=all mitigations=off" \
	</dev/null 2>"$work/qemu.log" &
qemu=$!
status=0
wait "$qemu" || status=$?
qemu=

[ -z "$results" ] || sed '/^vm-exit [0-9]*$/d' "$work/results" >"$results"
exit_line=$(sed -n 's/^vm-exit \([0-9]*\)$/\1/p' "$work/results" | tail -n 1)
if [ -z "$exit_line" ]; then
	cat "$work/qemu.log" "$work/virtiofsd.log" >&2
	tail -n 30 "$work/console" >&2
	[ "$status" != 124 ] || die "not done within ${VM_TIMEOUT:-600} seconds"
	die "the machine ended without the command's status (qemu: $status)"
fi
exit "$exit_line"
