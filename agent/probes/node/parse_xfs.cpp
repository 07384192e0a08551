#include <array>
#include <string>
#include <string_view>

#include "agent/probes/node/metrics.h"
#include "agent/probes/node/parse.h"
#include "agent/probes/text.h"

namespace lapwing::agent::node {
namespace {

struct XfsCounter {
    std::string_view line;
    const char* name;
};

// fs/xfs/xfs_stats.c: the names of the lines, and struct __xfsstats: their first counters, in order.
constexpr std::array<XfsCounter, 39> kCounters = {{
    {"extent_alloc", "extent_allocation_extents_allocated"},
    {"extent_alloc", "extent_allocation_blocks_allocated"},
    {"extent_alloc", "extent_allocation_extents_freed"},
    {"extent_alloc", "extent_allocation_blocks_freed"},
    {"abt", "allocation_btree_lookups"},
    {"abt", "allocation_btree_compares"},
    {"abt", "allocation_btree_records_inserted"},
    {"abt", "allocation_btree_records_deleted"},
    {"blk_map", "block_mapping_reads"},
    {"blk_map", "block_mapping_writes"},
    {"blk_map", "block_mapping_unmaps"},
    {"blk_map", "block_mapping_extent_list_insertions"},
    {"blk_map", "block_mapping_extent_list_deletions"},
    {"blk_map", "block_mapping_extent_list_lookups"},
    {"blk_map", "block_mapping_extent_list_compares"},
    {"bmbt", "block_map_btree_lookups"},
    {"bmbt", "block_map_btree_compares"},
    {"bmbt", "block_map_btree_records_inserted"},
    {"bmbt", "block_map_btree_records_deleted"},
    {"dir", "directory_operation_lookup"},
    {"dir", "directory_operation_create"},
    {"dir", "directory_operation_remove"},
    {"dir", "directory_operation_getdents"},
    {"ig", "inode_operation_attempts"},
    {"ig", "inode_operation_found"},
    {"ig", "inode_operation_recycled"},
    {"ig", "inode_operation_missed"},
    {"ig", "inode_operation_duplicates"},
    {"ig", "inode_operation_reclaims"},
    {"ig", "inode_operation_attribute_changes"},
    {"rw", "write_calls"},
    {"rw", "read_calls"},
    {"vnodes", "vnode_active"},
    {"vnodes", "vnode_allocate"},
    {"vnodes", "vnode_get"},
    {"vnodes", "vnode_hold"},
    {"vnodes", "vnode_release"},
    {"vnodes", "vnode_reclaim"},
    {"vnodes", "vnode_remove"},
}};

}  // namespace

void parseXfs(const std::string& device, std::string_view text, Families& out) {
    Metrics metrics(out);
    for (std::string_view line; nextLine(text, line);) {
        const auto name = nextField(line);
        for (const auto& known : kCounters) {
            if (known.line != name) {
                continue;
            }
            if (const auto value = toNumber(nextField(line))) {
                metrics.counter("node_xfs_" + std::string(known.name) + "_total",
                                "Of the file system's stats in /sys/fs/xfs.", *value, {{"device", device}});
            }
        }
    }
}

}  // namespace lapwing::agent::node
