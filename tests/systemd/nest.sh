# A systemd user instance that neither sees nor touches anything of this machine but files and loopback: it has its own
# mounts, its own process ids and a control group as its whole tree. It ends, with all its processes, when stdin does.
#
# sh nest.sh outer BASE SYSTEMD   in a new mount namespace; exits 77 where the machine does not allow a control group.
# Never start the manager without the group and its namespace: it would take all of the machine's processes over.
set -eu
base=$2

case $1 in
outer)
  mkdir "$base/cgroup"
  mount -t cgroup2 none "$base/cgroup" || exit 77
  group=$base/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/agenticd-test-$$
  mkdir "$group" || exit 77
  exec 3<&0
  sh -c 'echo $$ >"$1/cgroup.procs" || exit 77; exec unshare --mount --cgroup --pid --fork --kill-child=KILL sh "$2" inner "$3" "$4"' \
    - "$group" "$0" "$base" "$3" &
  nest=$!
  { cat <&3 >/dev/null && kill -KILL $nest; } &
  watch=$!
  trap '' PIPE # whoever started us may be gone
  wait $nest && code=0 || code=$?
  kill $watch 2>/dev/null || true
  # What was killed with it ends on its own time.
  tries=0
  until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || [ $((tries += 1)) -gt 500 ]; do
    sleep 0.01
  done
  [ ! -e "$group" ] || exit 1
  [ $code -ne 137 ] || code=0 # as it was meant to end
  exit $code
  ;;
inner)
  read -r pid _ </proc/self/stat # as the test sees it: the old /proc knows us by the old number
  echo "$pid" >"$base/pid"
  mount -t proc proc /proc
  umount "$base/cgroup"
  mount -t cgroup2 none /sys/fs/cgroup
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd/system
  mount --make-rshared / # among its own only: by that it gives a unit its credentials
  where=
  while read -r line; do where=$line; done </proc/self/cgroup
  [ "$where" = "0::/" ] || exit 1 # not the root of its own tree: go no further
  env -i PATH="$PATH" HOME="$base" XDG_RUNTIME_DIR="$base/run" SYSTEMD_UNIT_PATH="$base/units" NOTIFY_SOCKET="$base/notify" \
    "$3" --user --log-target=null & # by default it would write to the machine's console, and wait for that
  wait $!
  ;;
esac
