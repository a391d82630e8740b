//! How the databases are set up: careful, and small in memory.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, InfoLogger, LogLevel, Options,
};

/// Records by offset, as eight big-endian bytes. Must remain like this.
pub(crate) const RECORDS: &str = "records";
/// Offsets by stream, which logs of earlier versions have. Removed where it is found.
pub(crate) const STREAMS: &str = "streams";
/// Blobs by name. Must remain like this.
pub(crate) const BLOBS: &str = "blobs";
/// What the log says about itself. Must remain like this.
pub(crate) const META: &str = "meta";

const MIB: usize = 1 << 20;
const WRITE_BUFFER_BYTES: usize = 8 * MIB;
const WRITE_BUFFERS_BYTES_MAX: usize = 16 * MIB;
const WAL_BYTES_MAX: u64 = 64 << 20;
const CACHE_BYTES: usize = 8 * MIB;
const BLOCK_BYTES: usize = 16 << 10;
/// How many tables are open at once. Where there is a limit, RocksDB opens tables when they are read, and not
/// all of them at every start.
const TABLES_OPEN_MAX: i32 = 512;
const INDEX_CACHE_BYTES: usize = 2 * MIB;
const INDEX_WRITE_BUFFER_BYTES: usize = 2 * MIB;
/// Smaller blobs stand in the tables, where they share blocks.
const BLOB_FILE_VALUE_BYTES_MIN: u64 = 4 << 10;

/// What to do about a write-ahead log whose end is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Take what is before the damage; the pin tells whether that is enough.
    UpToDamage,
    /// Refuse.
    Refuse,
}

/// Of a database as a whole.
pub(crate) fn database(tail: Tail) -> Options {
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(match tail {
        Tail::UpToDamage => DBRecoveryMode::PointInTime,
        Tail::Refuse => DBRecoveryMode::AbsoluteConsistency,
    });
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_background_jobs(2);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES_MAX);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(TABLES_OPEN_MAX);
    // It reads a part of every table, to tell the compaction what it finds out by and by anyway.
    options.set_skip_stats_update_on_db_open(true);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    options
}

/// For reading only: leaves no diary, so that nothing changes beside a live writer.
pub(crate) fn reader(tail: Tail) -> Options {
    let mut options = database(tail);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
    options
}

/// Of the state: one family, no write-ahead log.
pub(crate) fn state() -> Options {
    let mut options = database(Tail::UpToDamage);
    options.create_if_missing(true);
    family(&mut options, &Cache::new_lru_cache(CACHE_BYTES));
    options.set_compression_type(DBCompressionType::Zstd);
    options
}

/// Of the index: one family, small in memory, its write-ahead log never synced.
pub(crate) fn index() -> Options {
    let mut options = database(Tail::UpToDamage);
    options.create_if_missing(true);
    family(&mut options, &Cache::new_lru_cache(INDEX_CACHE_BYTES));
    options.set_write_buffer_size(INDEX_WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Zstd);
    options
}

/// Of the index, for reading only.
pub(crate) fn index_reader() -> Options {
    let mut options = index();
    options.create_if_missing(false);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
    options
}

/// The families of the log.
pub(crate) fn families() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let describe = |(name, compression): (&str, DBCompressionType)| {
        let mut options = Options::default();
        family(&mut options, &cache);
        options.set_compression_type(compression);
        if name == BLOBS {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_FILE_VALUE_BYTES_MIN);
        }
        ColumnFamilyDescriptor::new(name, options)
    };
    // Digests and sealed bytes do not get smaller.
    [
        (RECORDS, DBCompressionType::Zstd),
        (BLOBS, DBCompressionType::None),
        (META, DBCompressionType::None),
    ]
    .map(describe)
    .into()
}

/// The family that is there to be removed.
pub(crate) fn streams() -> ColumnFamilyDescriptor {
    ColumnFamilyDescriptor::new(STREAMS, Options::default())
}

fn family(options: &mut Options, cache: &Cache) {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(BLOCK_BYTES);
    // An index in parts, which are cached as blocks are: whole indexes would stay in memory, and grow with what
    // is stored.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
}
