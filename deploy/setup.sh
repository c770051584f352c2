# Installs what deploy/packages lists and the machine lacks. Sourced by tests/run, from the project's root.
# A second run finds nothing to do and takes a fraction of a second.

xeq_say() { printf '== %s\n' "$*"; }

xeq_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

xeq_apt() {
  xeq_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

# Debian 12's own kernel headers are older than drm/xe_drm.h. Its backports suite has them; where that is comes from the
# machine's own entry for the main suite.
xeq_add_backports() {
  local entry=/etc/apt/sources.list.d/xeq-backports.sources source
  [ -e "$entry" ] && return
  source=$(grep -lE '^Suites:.*\bbookworm\b' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
  if [ -n "$source" ]; then
    awk -v RS= '/Suites:[^\n]*bookworm( |\n|$)/ {
      gsub(/Suites:[^\n]*/, "Suites: bookworm-backports"); gsub(/(^|\n)#[^\n]*/, ""); print; exit }' "$source" |
      xeq_as_root tee "$entry" >/dev/null
  elif grep -qE '^deb .* bookworm ' /etc/apt/sources.list 2>/dev/null; then
    sed -nE 's/^(deb .*) bookworm .*/\1 bookworm-backports main/p' /etc/apt/sources.list | head -n 1 |
      xeq_as_root tee "${entry%.sources}.list" >/dev/null
  fi
}

xeq_setup() {
  local missing=() package
  while read -r package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done < <(sed 's/ *#.*//; /^$/d' deploy/packages)
  if [ ${#missing[@]} -gt 0 ]; then
    xeq_say "installing ${missing[*]}"
    xeq_apt update
    xeq_apt install --no-install-recommends -y "${missing[@]}" >/dev/null
  fi
  if [ ! -e /usr/include/drm/xe_drm.h ] && grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
    xeq_say "installing linux-libc-dev of bookworm-backports, for drm/xe_drm.h"
    xeq_add_backports
    if ! { xeq_apt update &&
      xeq_apt install -y --no-install-recommends -t bookworm-backports linux-libc-dev >/dev/null; }; then
      xeq_say "not to be had: what needs drm/xe_drm.h is left out"
    fi
  fi
}
