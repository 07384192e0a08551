# shellcheck shell=bash
# The site without its monitoring: databases, application servers, Nginx, HAProxy, and visitors.

new_secret() { openssl rand -hex 12; }

# in_host_dir HOST PATH: the place, on this machine, of a path of the host.
in_host_dir() { printf '%s/%s%s' "$state" "$1" "$2"; }

site_configure() {
    local host dir secret primary=${address[${databases[0]}]}
    secret=$(new_secret)
    for host in "${balancers[@]}"; do cp "$lab_dir/templates/haproxy.cfg" "$(in_host_dir "$host" /etc/haproxy/haproxy.cfg)"; done
    for host in "${databases[@]}"; do
        local read_only='read_only = on'
        [ "$host" != "${databases[0]}" ] || read_only='# the primary is writable'
        mkdir -p "$state/$host/etc/mysql"
        sed -e "s/@SERVER_ID@/${host##*-0}/" -e "s/@READ_ONLY@/$read_only/" \
            "$lab_dir/templates/my.cnf" >"$state/$host/etc/mysql/my.cnf"
    done
    for host in "${webs[@]}"; do
        dir="$state/$host"
        cp "$lab_dir/templates/nginx.conf" "$dir/etc/nginx/nginx.conf"
        mkdir -p "$dir/srv/www/static" "$dir/etc/site"
        printf 'A lapwing nests on open ground.\n' >"$dir/srv/www/static/lapwing.txt"
        local readers="\"$primary\""
        if [ "$host" != "${databases[0]}" ] && [ -e "$dir/etc/mysql/my.cnf" ]; then
            readers="\"${address[$host]}\", \"$primary\""
        fi
        (
            umask 027
            printf '{"user": "site", "password": "%s", "read": [%s], "write": "%s"}\n' "$secret" "$readers" "$primary" \
                >"$dir/etc/site/app.json"
        )
        chgrp www-data "$dir/etc/site/app.json"
    done
    printf '%s\n' "$secret" >"$state/site.secret"
}

sql() {
    local host=$1
    shift
    inside "$host" mariadb --batch --skip-column-names "$@"
}

database_answers() { sql "$1" -e 'SELECT 1'; }

databases_start() {
    local host secret primary=${databases[0]}
    secret=$(cat "$state/site.secret")
    replica_secret=$(new_secret)
    mkdir -p "$(in_host_dir "$primary" /var/lib/mysql)"
    inside "$primary" chown mysql:mysql /var/lib/mysql
    inside "$primary" mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db \
        --skip-name-resolve >"$state/install-db.log" 2>&1 || { cat "$state/install-db.log" >&2; return 1; }
    # A replica begins with an empty binary log, as the primary did.
    for host in "${databases[@]:1}"; do
        cp -a "$(in_host_dir "$primary" /var/lib/mysql)" "$(in_host_dir "$host" /var/lib/mysql)"
    done
    for host in "${databases[@]}"; do inside "$host" svc mariadb start; done
    for host in "${databases[@]}"; do
        wait_for 60 "MariaDB on $host" database_answers "$host" || {
            tail -n 20 "$(in_host_dir "$host" /var/log/mariadb.log)" >&2
            return 1
        }
    done
    # Statements come through standard input, so that no argument list holds a password. The replica gets them by
    # replication. The grant to "10.77.0.%" instead of the two servers' addresses causes finding F2.
    sql "$primary" <<SQL
CREATE DATABASE site;
CREATE TABLE site.visits (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL, host VARCHAR(64) NOT NULL);
CREATE USER site@'10.77.0.%' IDENTIFIED BY '$secret';
GRANT SELECT, INSERT ON site.* TO site@'10.77.0.%';
CREATE USER replication@'10.77.0.%' IDENTIFIED BY '$replica_secret';
GRANT REPLICATION SLAVE ON *.* TO replication@'10.77.0.%';
$(cat "$lab_dir/templates/lapwing-grants.sql")
SQL
    replication_start
    for host in "${databases[@]:1}"; do
        wait_for 30 "replication from $primary to $host" replica_has_table "$host" || {
            sql "$host" -e 'SHOW SLAVE STATUS\G' >&2
            return 1
        }
    done
}

# Each replica follows the primary. Uses replica_secret, the password of the account `replication`.
replication_start() {
    local host
    for host in "${databases[@]:1}"; do replicate "$host" "${databases[0]}"; done
}

# replicate REPLICA PRIMARY: by GTID.
replicate() {
    sql "$1" <<SQL
CHANGE MASTER TO MASTER_HOST='${address[$2]}', MASTER_USER='replication', MASTER_PASSWORD='$replica_secret',
    MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=5, MASTER_HEARTBEAT_PERIOD=5;
START SLAVE;
SQL
}

replica_has_table() { sql "$1" -e 'SELECT COUNT(*) FROM site.visits'; }

fetches() { inside "$1" curl -fsS -m 2 -o /dev/null "$2"; }

site_start() {
    databases_start || return 1
    webs_start || return 1
    balancer_start || return 1
    inside monitor svc sink start
    inside client svc client start
}

webs_start() {
    local host
    for host in "${webs[@]}"; do
        inside "$host" svc app start
        inside "$host" svc nginx start
    done
    for host in "${webs[@]}"; do
        wait_for 30 "Nginx and the application on $host" web_answers "$host" || return 1
    done
}

web_answers() { fetches "$1" http://127.0.0.1/healthz; }

balancer_start() {
    local host
    for host in "${balancers[@]}"; do inside "$host" svc haproxy start; done
    wait_for 15 "the site" site_answers
}

site_answers() { fetches client "http://${address[lb-01]}/"; }
