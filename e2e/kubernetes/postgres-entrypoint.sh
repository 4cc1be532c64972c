#!/bin/sh
# For the image that stands in for docker.io/library/postgres in the tests: the same variables, folders and order, and a
# shell without anything beside it.
set -eu
bin=/usr/lib/postgresql/15/bin
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  "$bin/initdb" --pgdata "$PGDATA" --username postgres --auth scram-sha-256 --auth-local trust --pwfile "$POSTGRES_PASSWORD_FILE" --encoding UTF8
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  # By its socket only: nobody else finds a database that is not finished.
  "$bin/pg_ctl" --pgdata "$PGDATA" --wait --options "-c listen_addresses=''" start
  for file in /docker-entrypoint-initdb.d/*.sql; do
    "$bin/psql" --username postgres --set ON_ERROR_STOP=1 --file "$file"
  done
  "$bin/pg_ctl" --pgdata "$PGDATA" --wait --mode fast stop
fi
exec "$bin/postgres" -D "$PGDATA" -c listen_addresses='*'
