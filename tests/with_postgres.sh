#!/usr/bin/env bash
# Start a PostgreSQL server of its own in a temporary folder, run the given command with KIT_TEST_DATABASE set, stop it.
# It listens on a Unix socket only. Needs Debian's package postgresql (or any other that has initdb and pg_ctl).
set -euo pipefail

bin=$(dirname "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)")
if [ ! -x "$bin/initdb" ]; then
    echo "There is no PostgreSQL server on this machine. On Debian: apt-get install postgresql" >&2
    exit 1
fi

folder=$(mktemp -d)
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    chown postgres "$folder"
    as() { runuser -u postgres -- "$@"; }
fi
stop() {
    as "$bin/pg_ctl" --pgdata "$folder/data" --mode immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT

cd "$folder"
as "$bin/initdb" --pgdata "$folder/data" --username kit --auth trust >/dev/null
as "$bin/pg_ctl" --pgdata "$folder/data" --wait --log "$folder/log" \
    --options "-c listen_addresses='' -c unix_socket_directories='$folder' -c max_connections=200" start >/dev/null
cd "$OLDPWD"
KIT_TEST_DATABASE="postgresql://kit@/postgres?host=$folder" "$@"
