#!/bin/sh
# Install what a lane needs and this machine lacks: deps.sh LANE
# With everything there it does nothing, and needs neither root nor a network.
set -eu

case ${1:-} in
demo) packages="docker-registry busybox-static" ;;
unit) packages="runc skopeo umoci jq attr libcap2-bin nftables iproute2 busybox-static gcc libc6-dev" ;;
e2e) packages="docker-registry busybox-static debootstrap skopeo runc jq attr libcap2-bin nftables iproute2 curl procps" ;;
vm) packages="docker-registry busybox-static debootstrap skopeo runc jq attr libcap2-bin nftables iproute2 curl procps
	qemu-system-x86 cpio e2fsprogs" ;;
bench) packages="docker-registry busybox-static hyperfine runc docker.io jq e2fsprogs" ;;
lint) packages="shellcheck" ;;
*)
	echo "usage: deps.sh demo|unit|e2e|vm|bench|lint" >&2
	exit 2
	;;
esac

# A browser for the page that explain draws: 124 MB. Ubuntu has it as a snap only,
# and the script that needs it says there that it was skipped.
if [ "$1" = e2e ] && grep -qsx 'ID=debian' /etc/os-release; then
	packages="$packages chromium"
fi

if ! command -v dpkg-query >/dev/null; then
	echo "deps: no Debian or Ubuntu; what is needed has to be there already: $packages" >&2
	exit 0
fi

missing=
for package in $packages; do
	case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || :) in
	*"install ok installed") ;;
	*) missing="$missing $package" ;;
	esac
done
# Until version 7, qemu brings virtiofsd itself.
if [ "$1" = vm ] && [ ! -x /usr/lib/qemu/virtiofsd ] && [ ! -x /usr/libexec/virtiofsd ]; then
	if apt-cache show virtiofsd >/dev/null 2>&1; then
		missing="$missing virtiofsd"
	else
		missing="$missing qemu-system-common"
	fi
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "deps: missing:$missing; as root: apt-get install$missing" >&2
	exit 1
fi
echo "deps: apt-get install$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# The package lists of a fresh machine are empty or old.
# shellcheck disable=SC2086 # a list of words
apt-get -qq install -y --no-install-recommends $missing </dev/null >/dev/null 2>&1 || {
	apt-get -qq update </dev/null
	apt-get -qq install -y --no-install-recommends $missing </dev/null >/dev/null
}
