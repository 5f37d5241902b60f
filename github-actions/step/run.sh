#!/usr/bin/env bash
# run.sh ACTION STAGE: one step of an action, with the panaversity of this very checkout.
#
# The first call of a job makes a virtual environment in the runner's temporary folder, from the hashed lock files; all
# later ones find it. Reads no input: those come to the step in INPUTS. Knows Python and pip; does not know the actions.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
root="$(cd "$here/../.." && pwd -P)"

fail() { # fail TEXT: one annotation, and out with the status of a configuration that cannot work
  printf '::error title=SETUP_FAILED::%s\n' "$1"
  exit 15
}

python_found() { # the first Python that is new enough; actions/setup-python puts its own first
  local name
  for name in python3 python python3.14 python3.13 python3.12 python3.11; do
    if "$name" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

install() { # install FOLDER
  local folder="$1" python log="$1.log"
  python="$(python_found)" || fail "setup: python: is missing or older than 3.11. Let github-actions/setup or actions/setup-python run before this action."
  rm -rf "$folder"
  echo "::group::install panaversity"
  "$python" -I -m venv "$folder" >"$log" 2>&1 || { told "$log"; fail "setup: $python: has no module venv. Install the package python3-venv."; }
  pip "$folder" --require-hashes -r "$root/requirements/builder.txt" -r "$root/requirements/build.txt" >"$log" 2>&1 &&
    pip "$folder" --no-deps --no-index --no-build-isolation "$root" >>"$log" 2>&1 || {
    told "$log"
    fail "setup: pip: could not install panaversity; its last lines are above. Run the job again when the package index can be reached."
  }
  told "$log" 1
  echo "::endgroup::"
  touch "$folder/.complete"
}

pip() { "$1/bin/python" -I -m pip --disable-pip-version-check --no-input install "${@:2}"; }

told() { tail -n "${2:-40}" "$1" | sed 's/^/| /; s/##\[/# [/g'; } # no line of it is a command to the runner

main() {
  local folder
  # One environment for each version of the actions that a job uses.
  folder="${RUNNER_TEMP:?is set by the runner}/panaversity-fs-$(printf %s "$root" | cksum | cut -d ' ' -f 1)"
  [[ -e "$folder/.complete" ]] || install "$folder"
  exec "$folder/bin/python" -E -s "$here" "$@"
}

main "$@"
