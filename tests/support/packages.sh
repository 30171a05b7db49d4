# shellcheck shell=bash
# What the live tests and the demo need from Debian 12, for bash scripts to source.
#
# Postfix and Exim cannot be installed side by side: Postfix is installed, without a
# configuration, and Exim is only unpacked, into $MAILCERT_EXIM. No service is started.

export MAILCERT_EXIM="${MAILCERT_EXIM:-/var/cache/mailcert-tests/exim}"
export MAILCERT_BIND="${MAILCERT_BIND:-/var/cache/mailcert-tests/bind}"
export MAILCERT_WEB="${MAILCERT_WEB:-/var/cache/mailcert-tests/web}"
export MAILCERT_PACKAGE="${MAILCERT_PACKAGE:-/var/cache/mailcert-tests/package}"
export MAILCERT_TRIXIE="${MAILCERT_TRIXIE:-/var/cache/mailcert-tests/trixie}"

packages=(
  postfix postfix-cdb postfix-lmdb
  dovecot-core dovecot-imapd dovecot-pop3d dovecot-managesieved
  knot knot-dnsutils unbound pebble certbot
  openssl gnutls-bin openjdk-17-jre-headless
  adduser iproute2 procps strace faketime ca-certificates systemd debootstrap dpkg-dev
  chromium fonts-dejavu-core
  libidn12 libnsl2 libdb5.3 libgnutls-dane0 libpcre2-8-0 # what the unpacked Exim links to
)
bind_packages=(bind9 bind9-libs libjemalloc2 libmaxminddb0 libuv1 liblmdb0 libjson-c5 libfstrm0 libprotobuf-c1)
web_packages=(nginx apache2-bin libapr1 libaprutil1 liblua5.3-0 libjansson4 caddy)
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
  local user
  for user in Debian-exim opensmtpd opensmtpq; do
    id -u $user >/dev/null 2>&1 ||
      adduser --system --group --quiet --home /nonexistent --no-create-home --force-badname $user
  done
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

# Unpacks packages of this Debian into a directory of their own: unpack WHAT DIRECTORY PACKAGE...
unpack() {
  local what=$1 into=$2 debs
  shift 2
  say "unpacking $what into $into"
  debs=$(mktemp -d)
  (cd "$debs" && apt-get -qq download -o APT::Sandbox::User=root "$@") ||
    die "could not fetch the packages of $what"
  rm -rf "$into.new"
  mkdir -p "$into.new"
  for deb in "$debs"/*.deb; do dpkg -x "$deb" "$into.new"; done
  rm -rf "$debs" "$into"
  mv "$into.new" "$into"
}

unpack_exim() {
  unpack Exim "$MAILCERT_EXIM" "${exim_packages[@]}"
}

# BIND with its libraries: its package would start it and take port 53.
unpack_bind() {
  [ -x "$MAILCERT_BIND/usr/sbin/named" ] || unpack BIND "$MAILCERT_BIND" "${bind_packages[@]}"
}

# Web servers: their packages would start them and take port 80.
unpack_web() {
  [ -x "$MAILCERT_WEB/usr/bin/caddy" ] || unpack "web servers" "$MAILCERT_WEB" "${web_packages[@]}"
}

# What builds the package (a debug build takes 40 s) and a clean Debian 12 to install it into (75 s).
prepare_package() {
  if [ ! -x "$MAILCERT_PACKAGE/tools/bin/cargo-deb" ]; then
    say "cargo install cargo-deb"
    env -u CARGO_TARGET_DIR cargo install --quiet --debug --locked --no-default-features --root "$MAILCERT_PACKAGE/tools" \
      cargo-deb@3.8.0 || die "could not build cargo-deb"
  fi
  [ ! -x "$MAILCERT_PACKAGE/bookworm/usr/bin/dpkg" ] || return 0
  say "debootstrap into $MAILCERT_PACKAGE/bookworm"
  local log
  log=$(mktemp)
  rm -rf "$MAILCERT_PACKAGE/new"
  mkdir -p "$MAILCERT_PACKAGE/new"
  debootstrap --variant=minbase bookworm "$MAILCERT_PACKAGE/new" "$(mirror)" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die "debootstrap failed"
  }
  rm -rf "$log" "$MAILCERT_PACKAGE"/new/var/cache/apt/archives/*.deb
  mv "$MAILCERT_PACKAGE/new" "$MAILCERT_PACKAGE/bookworm"
}

# Where this machine gets its Debian from.
mirror() {
  local found
  found=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
  echo "${found:-http://deb.debian.org/debian}"
}

# Unpacks the mail servers of Debian 13 with all they need into $MAILCERT_TRIXIE, for the tests that
# run them with that tree's /usr in place of the machine's. Nothing of it is installed.
unpack_trixie() {
  [ ! -x "$MAILCERT_TRIXIE/usr/sbin/smtpd" ] || [ ! -x "$MAILCERT_TRIXIE/usr/bin/pebble" ] || return 0
  say "unpacking Debian 13's mail servers into $MAILCERT_TRIXIE"
  local apt
  apt=$(mktemp -d)
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) trixie main" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<EOF
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Debug::NoLocking "true";
EOF
  (
    export APT_CONFIG="$apt/apt.conf"
    apt-get -qq update && fetch_trixie base-files libc6 bash dash coreutils sed grep mawk findutils \
      util-linux dovecot-core dovecot-imapd dovecot-pop3d dovecot-managesieved postfix postfix-lmdb &&
      fetch_trixie nginx haproxy exim4-daemon-light && # Exim conflicts with Postfix, so apart
      fetch_trixie opensmtpd &&                        # and this with both
      fetch_trixie pebble                              # it speaks ARI, and runs on Debian 12 as well
  ) || die "could not fetch Debian 13's packages"
  rm -rf "$MAILCERT_TRIXIE.new"
  mkdir -p "$MAILCERT_TRIXIE.new"
  for deb in "$apt"/archives/*.deb; do dpkg -x "$deb" "$MAILCERT_TRIXIE.new"; done
  rm -rf "$apt" "$MAILCERT_TRIXIE"
  mv "$MAILCERT_TRIXIE.new" "$MAILCERT_TRIXIE"
}

fetch_trixie() { apt-get -qq -y --download-only install "$@" >/dev/null; }
