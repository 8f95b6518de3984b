// SPDX-License-Identifier: GPL-2.0

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Random;

/**
 * A server that gives back what comes, by NIO: one thread, one selector, channels that do not
 * block. And a client of the same kind that compares every byte.
 *
 * <pre>
 * java Echo server ADDRESS PORT
 * java Echo client ADDRESS PORT CONNECTIONS ROUNDS BYTES
 * </pre>
 */
public final class Echo {
    private static final int BUFFER = 64 << 10;

    public static void main(String[] words) throws IOException {
        var address = new InetSocketAddress(words[1], Integer.parseInt(words[2]));
        if (words[0].equals("server")) {
            serve(address);
        }
        int connections = Integer.parseInt(words[3]);
        int rounds = Integer.parseInt(words[4]);
        int size = Integer.parseInt(words[5]);
        ask(address, connections, rounds, size);
        System.out.println(
                connections + " times " + rounds + " times " + size + " bytes came back");
    }

    private static void serve(InetSocketAddress address) throws IOException {
        var selector = Selector.open();
        var listener = ServerSocketChannel.open();
        listener.setOption(StandardSocketOptions.SO_REUSEADDR, true);
        listener.bind(address).configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        while (true) {
            selector.select();
            for (var key : selector.selectedKeys()) {
                if (key.isAcceptable()) {
                    var channel = listener.accept();
                    channel.configureBlocking(false);
                    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                    var buffer = ByteBuffer.allocateDirect(BUFFER);
                    channel.register(selector, SelectionKey.OP_READ, buffer);
                } else {
                    giveBack(key);
                }
            }
            selector.selectedKeys().clear();
        }
    }

    /** Reads what there is room for, writes what goes, and says what to wait for. */
    private static void giveBack(SelectionKey key) throws IOException {
        var channel = (SocketChannel) key.channel();
        var buffer = (ByteBuffer) key.attachment();
        if (key.isReadable() && channel.read(buffer) < 0) {
            channel.close();
            return;
        }
        buffer.flip();
        channel.write(buffer);
        buffer.compact();
        int wanted = buffer.position() > 0 ? SelectionKey.OP_WRITE : 0;
        key.interestOps(wanted | (buffer.hasRemaining() ? SelectionKey.OP_READ : 0));
    }

    /** One of the client's connections, and how far it is. */
    private static final class Connection {
        final Random random;
        final int size;
        ByteBuffer toSend;
        ByteBuffer received;
        int rounds;

        Connection(int seed, int rounds, int size) {
            this.random = new Random(seed);
            this.rounds = rounds;
            this.size = size;
            next();
        }

        void next() {
            var bytes = new byte[size];
            random.nextBytes(bytes);
            toSend = ByteBuffer.wrap(bytes);
            received = ByteBuffer.allocate(size);
        }

        /** Whether that was the last round. */
        boolean goOn(SelectionKey key) throws IOException {
            var channel = (SocketChannel) key.channel();
            if (key.isConnectable()) {
                channel.finishConnect();
            }
            channel.write(toSend);
            if (channel.read(received) < 0) {
                throw new IOException("the connection has ended");
            }
            boolean whole = !received.hasRemaining();
            if (whole) {
                if (!received.flip().equals(toSend.rewind())) {
                    throw new IOException("not the bytes that were sent");
                }
                rounds--;
                next();
            }
            int write = toSend.hasRemaining() ? SelectionKey.OP_WRITE : 0;
            key.interestOps(SelectionKey.OP_READ | write);
            return rounds == 0;
        }
    }

    private static void ask(InetSocketAddress address, int connections, int rounds, int size)
            throws IOException {
        var selector = Selector.open();
        for (int i = 0; i < connections; i++) {
            var channel = SocketChannel.open();
            channel.configureBlocking(false);
            channel.connect(address);
            var connection = new Connection(i, rounds, size);
            channel.register(selector, SelectionKey.OP_CONNECT, connection);
        }
        int left = connections;
        while (left > 0) {
            selector.select();
            for (var key : selector.selectedKeys()) {
                if (((Connection) key.attachment()).goOn(key)) {
                    key.channel().close();
                    left--;
                }
            }
            selector.selectedKeys().clear();
        }
    }
}
