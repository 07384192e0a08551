# shellcheck shell=bash
# The site without its monitoring: databases, application servers, Nginx, HAProxy, and visitors.

new_secret() { openssl rand -hex 12; }

# in_host_dir HOST PATH: the place, on this machine, of a path of the host.
in_host_dir() { printf '%s/%s%s' "$state" "$1" "$2"; }

site_configure() {
    local host dir secret primary=${address[web-01]}
    secret=$(new_secret)
    cp "$lab_dir/templates/haproxy.cfg" "$(in_host_dir lb-01 /etc/haproxy/haproxy.cfg)"
    for host in web-01 web-02; do
        dir="$state/$host"
        cp "$lab_dir/templates/nginx.conf" "$dir/etc/nginx/nginx.conf"
        mkdir -p "$dir/srv/www/static" "$dir/etc/site" "$dir/etc/mysql"
        printf 'A lapwing nests on open ground.\n' >"$dir/srv/www/static/lapwing.txt"
        local read_only='# the primary is writable' readers="\"$primary\""
        if [ "$host" = web-02 ]; then
            read_only='read_only = on'
            readers="\"${address[web-02]}\", \"$primary\""
        fi
        sed -e "s/@SERVER_ID@/${host#web-0}/" -e "s/@READ_ONLY@/$read_only/" \
            "$lab_dir/templates/my.cnf" >"$dir/etc/mysql/my.cnf"
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
    local host secret replica_secret
    secret=$(cat "$state/site.secret")
    replica_secret=$(new_secret)
    mkdir -p "$(in_host_dir web-01 /var/lib/mysql)"
    inside web-01 chown mysql:mysql /var/lib/mysql
    inside web-01 mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db \
        --skip-name-resolve >"$state/install-db.log" 2>&1 || { cat "$state/install-db.log" >&2; return 1; }
    # The replica begins with an empty binary log, as the primary did.
    cp -a "$(in_host_dir web-01 /var/lib/mysql)" "$(in_host_dir web-02 /var/lib/mysql)"
    for host in web-01 web-02; do inside "$host" svc mariadb start; done
    for host in web-01 web-02; do
        wait_for 60 "MariaDB on $host" database_answers "$host" || {
            tail -n 20 "$(in_host_dir "$host" /var/log/mariadb.log)" >&2
            return 1
        }
    done
    # Statements come through standard input, so that no argument list holds a password. The replica gets them by
    # replication. The grant to "10.77.0.%" instead of the two servers' addresses causes finding F2.
    sql web-01 <<SQL
CREATE DATABASE site;
CREATE TABLE site.visits (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL, host VARCHAR(64) NOT NULL);
CREATE USER site@'10.77.0.%' IDENTIFIED BY '$secret';
GRANT SELECT, INSERT ON site.* TO site@'10.77.0.%';
CREATE USER replication@'10.77.0.%' IDENTIFIED BY '$replica_secret';
GRANT REPLICATION SLAVE ON *.* TO replication@'10.77.0.%';
$(cat "$lab_dir/templates/lapwing-grants.sql")
SQL
    sql web-02 <<SQL
CHANGE MASTER TO MASTER_HOST='${address[web-01]}', MASTER_USER='replication', MASTER_PASSWORD='$replica_secret',
    MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=5, MASTER_HEARTBEAT_PERIOD=5;
START SLAVE;
SQL
    wait_for 30 "replication from web-01 to web-02" replica_has_table || {
        sql web-02 -e 'SHOW SLAVE STATUS\G' >&2
        return 1
    }
}

replica_has_table() { sql web-02 -e 'SELECT COUNT(*) FROM site.visits'; }

fetches() { inside "$1" curl -fsS -m 2 -o /dev/null "$2"; }

site_start() {
    local host
    databases_start || return 1
    for host in web-01 web-02; do
        inside "$host" svc app start
        inside "$host" svc nginx start
    done
    for host in web-01 web-02; do
        wait_for 30 "the application on $host" fetches "$host" http://127.0.0.1:8000/healthz || return 1
        wait_for 10 "Nginx on $host" fetches "$host" http://127.0.0.1/nginx_status || return 1
    done
    inside lb-01 svc haproxy start
    wait_for 15 "HAProxy on lb-01" fetches client "http://${address[lb-01]}/" || return 1
    inside monitor svc sink start
    inside client svc client start
}
