# shellcheck shell=bash
# Lapwing in the lab: its programs, the collector, the agents, and the wait for their samples.

# Sets `programs` to the directory of the programs: LAPWING_BIN, or else a fresh build.
programs_build() {
    programs=${LAPWING_BIN:-}
    if [ -z "$programs" ]; then
        programs=$repo_dir/build/release/bin
        say "Building the programs (preset release)."
        # An existing tree keeps its configuration, perhaps with the tests.
        [ -e "$repo_dir/build/release/build.ninja" ] ||
            (cd "$repo_dir" && cmake --preset release -DLAPWING_TESTS=OFF >/dev/null)
        cmake --build "$repo_dir/build/release" --target lapwing-agent lapwing-collector lapwing-snapshot lapwing-configtest |
            { grep -vE '^(\[|ninja: )' || true; }
    fi
    local name
    for name in lapwing-agent lapwing-collector lapwing-snapshot lapwing-configtest; do
        [ -x "$programs/$name" ] || die "there is no $programs/$name"
    done
}

watched_hosts() {
    printf '%s\n' "${watched[@]}"
    [ ! -e "$state/lb-agent" ] || printf '%s\n' lb-01
}

page_user=lapwing
page_address() {
    say "The page: https://${address[monitor]}:9765/  user $page_user  password $(cat "$state/page.secret")"
    say "          (the certificate is from the collector's own CA: $state/ca.crt)"
}

watch_configure() {
    local host dir="$state/monitor" secret
    [ -z "${LAPWING_LB_AGENT:-}" ] || touch "$state/lb-agent"
    mkdir -p "$dir/etc/lapwing/rules" "$dir/var/lib/lapwing-collector"
    cp "$lab_dir/templates/collector.yaml" "$dir/etc/lapwing/collector.yaml"
    cp "$repo_dir"/dashboards/alerts/*.yml "$dir/etc/lapwing/rules/"
    inside monitor chown lapwing-collector:lapwing-collector /var/lib/lapwing-collector
    inside monitor chmod 0700 /var/lib/lapwing-collector
    secret=$(new_secret)
    (
        umask 077
        printf '%s\n' "$secret" >"$state/page.secret"
        printf '%s:%s\n' "$page_user" "$(openssl passwd -6 -stdin <<<"$secret")" >"$dir/etc/lapwing/users"
    )
    inside monitor chgrp lapwing-collector /etc/lapwing/users
    inside monitor chmod 0640 /etc/lapwing/users
    for host in $(watched_hosts); do
        mkdir -p "$state/$host/etc/lapwing"
        if [ -e "$lab_dir/templates/agent-$host.yaml" ]; then
            cp "$lab_dir/templates/agent-$host.yaml" "$state/$host/etc/lapwing/agent.yaml"
        else
            sed "s/@HOST@/$host/" "$lab_dir/templates/agent-other.yaml" >"$state/$host/etc/lapwing/agent.yaml"
        fi
        inside "$host" install -d -o lapwing -g lapwing -m 0770 /run/lapwing
        inside "$host" chown root:lapwing /run/lapwing
    done
}

# Percent-encodes the characters that a URL must not hold, so that callers write plain queries.
encoded() { sed 's/ /%20/g; s/"/%22/g; s/{/%7B/g; s/}/%7D/g; s/|/%7C/g; s/\[/%5B/g; s/\]/%5D/g; s/</%3C/g; s/>/%3E/g; s/\^/%5E/g' <<<"$1"; }

collector_api() {
    inside monitor curl -gsS --fail-with-body -m 30 "http://127.0.0.1:9765$(encoded "$1")"
}

collector_answers() { collector_api /api/v1/status/buildinfo; }

enrol() {
    local host=$1 bundle=$state/$1/etc/lapwing/agent.pem
    inside monitor lapwing-collector enrol "$host" --bundle "/tmp/$host.pem" >/dev/null
    (umask 077 && inside monitor cat "/tmp/$host.pem" >"$bundle")
    inside monitor rm "/tmp/$host.pem"
    inside "$host" chgrp lapwing /etc/lapwing/agent.pem
    inside "$host" chmod 0640 /etc/lapwing/agent.pem
}

watch_start() {
    local host
    inside monitor svc collector start
    wait_for 15 "the collector" collector_answers || {
        tail -n 20 "$(in_host_dir monitor /var/log/collector.log)" >&2
        return 1
    }
    cp "$(in_host_dir monitor /var/lib/lapwing-collector/ca/ca.crt)" "$state/ca.crt"
    for host in $(watched_hosts); do
        enrol "$host"
        inside "$host" svc snapshot start
        inside "$host" svc configtest start
    done
    # An agent that starts before the first snapshot reports that it knows nothing of the firewall.
    for host in $(watched_hosts); do
        wait_for 20 "the snapshot of $host" inside "$host" test -e /run/lapwing/snapshot.json || return 1
        inside "$host" svc agent start
    done
}

# AGENT JOB INSTANCE of every expected probe. A site of another shape states its own: only each agent is expected.
expected_probes() {
    local host job
    if [ -d "$overlay" ]; then
        for host in $(watched_hosts); do printf '%s node %s\n' "$host" "$host"; done
        return
    fi
    for host in web-01 web-02; do
        for job in node nginx app mysql sockets firewall keepalived; do printf '%s %s %s\n' "$host" "$job" "$host"; done
    done
    for job in node sockets firewall keepalived; do printf 'monitor %s monitor\n' "$job"; done
    printf 'monitor app site\nmonitor haproxy lb-01\n'
    [ ! -e "$state/lb-agent" ] || printf 'lb-01 %s lb-01\n' node sockets firewall keepalived haproxy
}

arrived_probes() {
    collector_api '/api/v1/query?query=up==1' | jq -r '.data.result[].metric | "\(.agent) \(.job) \(.instance)"'
}

missing_probes() { comm -23 <(expected_probes | sort) <(arrived_probes 2>/dev/null | sort -u); }

nothing_missing() { [ -z "$(missing_probes)" ]; }

watch_wait() {
    say "Waiting for the first samples of every probe."
    local host
    if ! wait_for 60 "the first samples of every probe" nothing_missing; then
        warn "no sample with up 1 (agent, job, instance) from:"
        missing_probes >&2
        for host in $(watched_hosts); do
            warn "the end of the agent's log on $host:"
            tail -n 15 "$(in_host_dir "$host" /var/log/agent.log)" >&2
        done
        return 1
    fi
}
