# shellcheck shell=bash
# What the live tests and the demo need from Debian 12, for bash scripts to source.
#
# Postfix and Exim cannot be installed side by side: Postfix is installed, without a
# configuration, and Exim is only unpacked, into $MAILCERT_EXIM. No service is started.

export MAILCERT_EXIM="${MAILCERT_EXIM:-/var/cache/mailcert-tests/exim}"

packages=(
  postfix postfix-cdb postfix-lmdb
  dovecot-core dovecot-imapd dovecot-pop3d dovecot-managesieved
  knot knot-dnsutils unbound pebble certbot
  openssl gnutls-bin openjdk-17-jre-headless
  adduser iproute2 procps strace ca-certificates
  libidn12 libnsl2 libdb5.3 libgnutls-dane0 libpcre2-8-0 # what the unpacked Exim links to
)
exim_packages=(exim4-base exim4-config exim4-daemon-light)

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}

# Installs what is missing; asks apt nothing when nothing is.
install_packages() {
  [ "$(id -u)" = 0 ] || die "this installs packages and starts mail servers: run it as root"
  command -v cargo >/dev/null || die "cargo is not on PATH (https://rustup.rs)"
  local missing=() name
  command -v cc >/dev/null || packages+=(gcc libc6-dev)
  for name in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  local exim=yes
  [ -x "$MAILCERT_EXIM/usr/sbin/exim4" ] || exim=no
  if [ ${#missing[@]} -gt 0 ] || [ $exim = no ]; then
    [ -r /etc/debian_version ] || die "the packages are those of Debian 12, and this is not Debian"
    say "apt-get update"
    apt-get -qq update || die "apt-get update failed"
  fi
  [ ${#missing[@]} -eq 0 ] || install_missing "${missing[@]}"
  [ $exim = yes ] || unpack_exim
  id -u Debian-exim >/dev/null 2>&1 ||
    adduser --system --group --quiet --home /var/spool/exim4 --no-create-home --force-badname Debian-exim
}

install_missing() {
  local removed
  removed=$(apt-get -s install --no-install-recommends "$@" | awk '$1 == "Remv" { print "  " $2, $3 }')
  [ -z "$removed" ] || die "another mail server is installed here; installing $* would remove
$removed
nothing was installed: use a machine (or a container) of its own"
  say "installing $*"
  case " $* " in
  *" postfix "*) echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections ;;
  esac
  (
    # A policy-rc.d that says 101 keeps packages from starting anything; the admin's own comes back.
    policy=/usr/sbin/policy-rc.d
    log=$(mktemp)
    trap 'rm -f "$log" $policy; [ ! -e $policy.before-mailcert ] || mv $policy.before-mailcert $policy' EXIT
    [ ! -e $policy ] || mv $policy $policy.before-mailcert
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -y --no-install-recommends install "$@" >"$log" 2>&1 </dev/null || {
      tail -n 30 "$log" >&2
      exit 1
    }
  ) || die "apt-get could not install the packages"
}

unpack_exim() {
  say "unpacking Exim into $MAILCERT_EXIM"
  local debs
  debs=$(mktemp -d)
  (cd "$debs" && apt-get -qq download -o APT::Sandbox::User=root "${exim_packages[@]}") ||
    die "could not fetch Exim's packages"
  rm -rf "$MAILCERT_EXIM.new"
  mkdir -p "$MAILCERT_EXIM.new"
  for deb in "$debs"/*.deb; do dpkg -x "$deb" "$MAILCERT_EXIM.new"; done
  rm -rf "$debs" "$MAILCERT_EXIM"
  mv "$MAILCERT_EXIM.new" "$MAILCERT_EXIM"
}
