# Qdrant's engine behind its gRPC interface; see qdrant_service.py for what that is and what it is not. To test against a
# true server or cluster, set MINIORM_QDRANT_URL (and MINIORM_QDRANT_API_KEY): the same tests run there, except those that
# need the service's faults and settings, which say so.
qdrant_packages="qdrant-client==1.20.0 qdrant-edge-py==0.9.0"

qdrant_install() {
    local dir
    # shellcheck disable=SC2086
    venv $qdrant_packages >/dev/null
    dir=$(service_dir)
    [ -f "$dir/certificate.pem" ] && return
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key.pem" -out "$dir/certificate.pem" -days 3650 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost >/dev/null 2>&1 || die "needs openssl"
}

# In memory where there is room: the engine waits for the disk at every collection that is created.
qdrant_data() {
    if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 4000000 ]; then
        echo "/dev/shm/mini-orm-qdrant-$(port_of grpc)"
    else
        echo "$(service_dir)/data"
    fi
}

qdrant_start() {
    local dir
    is_running qdrant && return
    dir=$(service_dir)
    # shellcheck disable=SC2086
    spawn qdrant "$(venv $qdrant_packages)/bin/python" "$top/Tests/Services/qdrant_service.py" \
        --port "$(port_of grpc new)" --control "$(port_of control new)" --tls-port "$(port_of tls new)" \
        --certificate "$dir/certificate.pem" --key "$dir/key.pem" --data "$(qdrant_data)"
    wait_ready qdrant grep -q ready "$dir/qdrant.log"
}

qdrant_stop() {
    stop_process qdrant
    rm -rf "$(qdrant_data)"
}

qdrant_status() {
    if is_running qdrant; then echo "qdrant: qdrant://127.0.0.1:$(port_of grpc)"; else echo "qdrant: stopped"; fi
}

qdrant_env() {
    local address
    is_running qdrant || return 0
    address=qdrant://127.0.0.1:$(port_of grpc)
    # A true server that the caller has named stays the one that is tested.
    printf 'export MINIORM_QDRANT_URL=%q\n' "${MINIORM_QDRANT_URL:-$address}"
    echo "export MINIORM_QDRANT_SERVICE=$address"
    echo "export MINIORM_QDRANT_SERVICE_CONTROL=http://127.0.0.1:$(port_of control)"
    echo "export MINIORM_QDRANT_SERVICE_TLS=qdrants://localhost:$(port_of tls)"
    printf 'export MINIORM_QDRANT_SERVICE_CERTIFICATE=%q\n' "$(service_dir)/certificate.pem"
    # shellcheck disable=SC2086
    printf 'export MINIORM_QDRANT_SERVICE_PYTHON=%q\n' "$(venv $qdrant_packages)/bin/python"
}
