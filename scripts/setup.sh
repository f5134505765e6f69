#!/usr/bin/env bash
# Makes sure that what the tests need is there: Postgres, Chromium, nginx, node
# and npm. As root on Debian it installs what is missing; anywhere else it says
# exactly what to install, and fails.
set -euo pipefail

missing=()
need() { # need PACKAGE COMMAND...: one of the commands must exist
	local package=$1 c
	shift
	for c in "$@"; do
		if command -v "$c" >/dev/null 2>&1 || compgen -G "$c" >/dev/null; then return; fi
	done
	missing+=("$package")
}

need postgresql '/usr/lib/postgresql/*/bin/postgres' postgres '/opt/homebrew/opt/postgresql@*/bin/postgres'
need chromium chromium chromium-browser google-chrome
need nginx-light nginx /usr/sbin/nginx
need nodejs node
need npm npm
need gcc gcc cc
need git git

if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing: ${missing[*]}"
	# No service of their own: the tests start what they need.
	if [[ " ${missing[*]} " == *" postgresql "* && ! -e /etc/postgresql-common/createcluster.conf ]]; then
		mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install --no-install-recommends "${missing[@]}"
	exit 0
fi

echo "The tests need programs that are not here: ${missing[*]}" >&2
if command -v apt-get >/dev/null; then
	echo "Install them with: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
elif command -v brew >/dev/null; then
	names=" ${missing[*]} "
	names=${names// nginx-light / nginx }
	names=${names// postgresql / postgresql@16 }
	names=${names// nodejs / node }
	echo "Install them with: brew install${names}" >&2
else
	echo "Install Debian's packages of these names, or what your system calls them." >&2
fi
exit 1
