# Chroma's own server out of PyPI, on a free loopback port; its data stays in .services/.

chroma_package=chromadb==1.5.9

chroma_install() { venv "$chroma_package" >/dev/null; }

chroma_address() { echo "127.0.0.1:$(port_of server)"; }
chroma_answers() { curl -sf "http://$(chroma_address)/api/v2/heartbeat"; }

chroma_start() {
    local port
    if is_running server; then return 0; fi
    port=$(port_of server new)
    spawn server env ANONYMIZED_TELEMETRY=False "$(venv "$chroma_package")/bin/chroma" run \
        --path "$(service_dir data)" --host 127.0.0.1 --port "$port"
    wait_ready server chroma_answers
    say "on $(chroma_address)"
}

chroma_stop() { stop_process server; }

chroma_status() {
    if is_running server; then echo "chroma: runs on $(chroma_address)"; else echo "chroma: stopped"; fi
}

chroma_env() {
    if ! is_running server; then return 0; fi
    echo "export MINIORM_CHROMA_URL=chroma://$(chroma_address)"
    # For tests that kill a server of their own, and to compare with the official client.
    printf 'export MINIORM_CHROMA_VENV=%q\n' "$(venv "$chroma_package")"
}
