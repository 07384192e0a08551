CREATE USER lapwing@localhost IDENTIFIED VIA unix_socket WITH MAX_USER_CONNECTIONS 3;
GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO lapwing@localhost;
CREATE DATABASE lapwing;
CREATE TABLE lapwing.heartbeat (
  ts varchar(26) NOT NULL, server_id int unsigned NOT NULL PRIMARY KEY, file varchar(255) DEFAULT NULL,
  position bigint unsigned DEFAULT NULL, relay_master_log_file varchar(255) DEFAULT NULL,
  exec_master_log_pos bigint unsigned DEFAULT NULL);
GRANT SELECT, INSERT, UPDATE ON lapwing.heartbeat TO lapwing@localhost;
