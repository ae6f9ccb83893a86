/** The tables of Salt's SQL returners, as this program creates them: the same names and columns, with room for every character. */

/** MariaDB and MySQL: Salt's tables in utf8mb4. */
export const MYSQL_SCHEMA: readonly string[] = [
  'CREATE TABLE IF NOT EXISTS `jids` (`jid` varchar(255) NOT NULL, `load` mediumtext NOT NULL, UNIQUE KEY `jid` (`jid`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC',
  'CREATE TABLE IF NOT EXISTS `salt_returns` (`fun` varchar(50) NOT NULL, `jid` varchar(255) NOT NULL, `return` mediumtext NOT NULL, `id` varchar(255) NOT NULL, `success` varchar(10) NOT NULL, `full_ret` mediumtext NOT NULL, `alter_time` TIMESTAMP DEFAULT CURRENT_TIMESTAMP, KEY `id` (`id`), KEY `jid` (`jid`), KEY `fun` (`fun`), KEY `alter_time` (`alter_time`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC',
  'CREATE TABLE IF NOT EXISTS `salt_events` (`id` BIGINT NOT NULL AUTO_INCREMENT, `tag` varchar(255) NOT NULL, `data` mediumtext NOT NULL, `alter_time` TIMESTAMP DEFAULT CURRENT_TIMESTAMP, `master_id` varchar(255) NOT NULL, PRIMARY KEY (`id`), KEY `tag` (`tag`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC',
];

/** PostgreSQL: Salt's tables; the job id has room for `unique_jid`. */
export const POSTGRES_SCHEMA: readonly string[] = [
  'CREATE TABLE IF NOT EXISTS jids (jid varchar(255) PRIMARY KEY, load text NOT NULL)',
  'CREATE TABLE IF NOT EXISTS salt_returns (fun varchar(50) NOT NULL, jid varchar(255) NOT NULL, return text NOT NULL, full_ret text, id varchar(255) NOT NULL, success varchar(10) NOT NULL, alter_time TIMESTAMP WITH TIME ZONE DEFAULT now())',
  'CREATE INDEX IF NOT EXISTS idx_salt_returns_id ON salt_returns (id)',
  'CREATE INDEX IF NOT EXISTS idx_salt_returns_jid ON salt_returns (jid)',
  'CREATE INDEX IF NOT EXISTS idx_salt_returns_fun ON salt_returns (fun)',
  'CREATE INDEX IF NOT EXISTS idx_salt_returns_updated ON salt_returns (alter_time)',
  'CREATE SEQUENCE IF NOT EXISTS seq_salt_events_id',
  "CREATE TABLE IF NOT EXISTS salt_events (id BIGINT NOT NULL UNIQUE DEFAULT nextval('seq_salt_events_id'), tag varchar(255) NOT NULL, data text NOT NULL, alter_time TIMESTAMP WITH TIME ZONE DEFAULT NOW(), master_id varchar(255) NOT NULL)",
  'CREATE INDEX IF NOT EXISTS idx_salt_events_tag ON salt_events (tag)',
];
