import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.api.core.SimpleString;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.config.impl.SecurityConfiguration;
import org.apache.activemq.artemis.core.security.Role;
import org.apache.activemq.artemis.core.server.JournalType;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.core.settings.impl.AddressSettings;
import org.apache.activemq.artemis.spi.core.security.ActiveMQJAASSecurityManager;
import org.apache.activemq.artemis.spi.core.security.jaas.InVMLoginModule;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** ActiveMQ Artemis with one STOMP acceptor: arguments are the acceptor's URI and the data folder. */
public class ArtemisBroker {
    public static void main(String[] arguments) {
        try {
            run(arguments);
        } catch (Throwable error) {
            // Threads of a half-started broker would keep the process alive.
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static void run(String[] arguments) throws Exception {
        String user = System.getenv("BROKER_USER");
        String data = arguments[1];
        ConfigurationImpl configuration = new ConfigurationImpl();
        configuration.setPersistenceEnabled(true);
        configuration.setJournalType(JournalType.NIO);
        configuration.setJournalDirectory(data + "/journal");
        configuration.setBindingsDirectory(data + "/bindings");
        configuration.setLargeMessagesDirectory(data + "/large");
        configuration.setPagingDirectory(data + "/paging");
        // A developer's disk may well be over the 90 % at which Artemis blocks its producers.
        configuration.setMaxDiskUsage(99);
        configuration.setSecurityEnabled(user != null);
        configuration.addAcceptorConfiguration("stomp", arguments[0]);
        configuration.addAddressSetting("#", new AddressSettings()
                .setAutoCreateAddresses(true).setAutoCreateQueues(true)
                .setDefaultAddressRoutingType(RoutingType.ANYCAST)
                .setDefaultQueueRoutingType(RoutingType.ANYCAST)
                .setMaxDeliveryAttempts(-1)
                .setDeadLetterAddress(SimpleString.of("DLA"))
                .setExpiryAddress(SimpleString.of("ExpiryQueue")));
        EmbeddedActiveMQ server = new EmbeddedActiveMQ().setConfiguration(configuration);
        if (user != null) {
            Role all = new Role("orders", true, true, true, true, true, true, true, true, true, true);
            configuration.putSecurityRoles("#", Set.of(all));
            // By the environment, since every user of a machine sees the arguments.
            server.setSecurityManager(new ActiveMQJAASSecurityManager(
                    InVMLoginModule.class.getName(),
                    new SecurityConfiguration(
                            Map.of(user, System.getenv("BROKER_PASSWORD")), Map.of(user, List.of("orders")))));
        }
        server.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                server.stop();
            } catch (Exception error) {
                error.printStackTrace();
            }
        }));
        Thread.currentThread().join();
    }
}
