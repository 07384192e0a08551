#include <vector>

#include "agent/probes/kind.h"

namespace lapwing::agent {

std::vector<ProbeKind> probeKinds() {
    return {
        nodeProbe(),        //
        nginxProbe(),       //
        appProbe(),         //
        haproxyProbe(),     //
        mysqlProbe(),       //
        socketsProbe(),     //
        firewallProbe(),    //
        keepalivedProbe(),  //
        inventoryProbe(),   //
        logsProbe(),        //
        unitsProbe(),       //
        textfileProbe(),    //
        scrapeProbe(),      //
        execProbe(),
    };
}

}  // namespace lapwing::agent
