CREATE USER lapwing@localhost IDENTIFIED VIA unix_socket WITH MAX_USER_CONNECTIONS 3;
GRANT SLAVE MONITOR ON *.* TO lapwing@localhost;
