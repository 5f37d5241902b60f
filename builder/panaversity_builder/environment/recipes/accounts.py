"""Phase 2: users and groups, also in an image that has nothing but a shell.

Where ``useradd`` and ``groupadd`` are, they do it; elsewhere the lines of ``/etc/passwd``, ``/etc/group`` and (where it
is) ``/etc/shadow`` are written by the script itself, which needs ``sh``, ``mkdir``, ``cp``, ``cat``, ``rm``, ``tail``,
``chown`` and ``chmod``. A user who is there already gets the groups and the shell; another number is an error. Pure.
"""

from collections.abc import Sequence

from panaversity_builder.environment.recipes.parts import Part, fixed, joined
from panaversity_builder.environment.recipes.telling import given, told_all
from panaversity_builder.environment.settings.shape import Account
from panaversity_fs.core.digest import digest_of

ACCOUNT = r"""
name=$1 uid=$2 shell=$3
shift 3
passwd=/etc/passwd group=/etc/group shadow=/etc/shadow
mkdir -p /etc
[ -f "$passwd" ] || echo 'root:x:0:0:root:/root:/bin/sh' >"$passwd"
[ -f "$group" ] || echo 'root:x:0:' >"$group"

refuse() { echo "$*" >&2; exit 1; }
with() { [ -n "$(command -v "$1")" ]; }
find_name() {  # FILE NAME: leaves the line in $line
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$2":*) return 0 ;; esac
  done <"$1"
  return 1
}
find_number() {  # FILE NUMBER: leaves the name in $found
  while IFS=: read -r found _ number _ || [ -n "$found" ]; do
    [ "$number" != "$2" ] || return 0
  done <"$1"
  return 1
}
free_number() {  # leaves it in $free
  free=1000
  while find_number "$passwd" "$free" || find_number "$group" "$free"; do free=$((free + 1)); done
}
exchange() {  # FILE NAME LINE: the line of that name is now LINE
  while IFS= read -r old || [ -n "$old" ]; do
    case $old in "$2":*) printf '%s\n' "$3" ;; *) printf '%s\n' "$old" ;; esac
  done <"$1" >"$1.new"
  cat "$1.new" >"$1"
  rm "$1.new"
}
add() {  # FILE LINE: the file may lack its last newline
  if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >>"$1"; fi
  printf '%s\n' "$2" >>"$1"
}
make_group() {  # NAME NUMBER
  if with groupadd; then groupadd ${2:+-g "$2"} -- "$1"; else
    free_number
    add "$group" "$1:x:${2:-$free}:"
  fi
}
make_user() {
  if [ -z "$uid" ]; then free_number; uid=$free; fi
  if find_number "$passwd" "$uid"; then refuse "user $name: the number $uid is that of $found"; fi
  if ! find_name "$group" "$name"; then
    if find_number "$group" "$uid"; then make_group "$name" ''; else make_group "$name" "$uid"; fi
    find_name "$group" "$name" || refuse "group $name: was not made"
  fi
  gid=${line#*:*:}
  gid=${gid%%:*}
  if with useradd; then useradd -m -d "/home/$name" -u "$uid" -g "$gid" -s "$shell" -- "$name"; else
    add "$passwd" "$name:x:$uid:$gid::/home/$name:$shell"
    if [ -f "$shadow" ]; then add "$shadow" "$name:!::0:99999:7:::"; fi
    if [ ! -d "/home/$name" ]; then
      mkdir -p "/home/$name"
      if [ -d /etc/skel ]; then cp -R /etc/skel/. "/home/$name/"; fi
      chown -R "$uid:$gid" "/home/$name"
      chmod 755 "/home/$name"
    fi
  fi
}
keep_user() {  # the user is there: $line
  have=${line#*:*:}
  have=${have%%:*}
  [ -z "$uid" ] || [ "$uid" = "$have" ] || refuse "user $name: is there already, with the number $have"
  [ "${line##*:}" = "$shell" ] || exchange "$passwd" "$name" "${line%:*}:$shell"
}
join() {  # GROUP
  find_name "$group" "$1" || { make_group "$1" ''; find_name "$group" "$1"; }
  members=${line##*:}
  case ",$members," in *",$name,"*) return 0 ;; esac
  exchange "$group" "$1" "$line${members:+,}$name"
}

if find_name "$passwd" "$name"; then keep_user; else make_user; fi
for one in "$@"; do join "$one"; done
"""
"""Its arguments: the user's name, number (empty: the next free one), shell, and groups."""


def users_part(accounts: Sequence[Account]) -> Part:
    """One action a user, in order."""
    if not accounts:
        return Part()
    names = told_all([account.name for account in accounts])
    program = Part((), {"users": names, "users program": digest_of(ACCOUNT.encode())})
    return joined([program, *map(_account, accounts)])


def _account(account: Account) -> Part:
    number = "" if account.uid is None else str(account.uid)
    run = fixed(ACCOUNT, account.name, number, account.shell, *account.groups, title=f"user {account.name}")
    inputs = {
        f"user number {account.name}": number or None,
        f"user shell {account.name}": account.shell,
        f"user groups {account.name}": told_all(account.groups) if account.groups else None,
    }
    return Part((run,), given(inputs))
