package mongodb

import "go.mongodb.org/mongo-driver/v2/mongo"

// OpenMonitored is Open with a monitor of the commands sent.
var OpenMonitored = open

// Total is what List makes of a count.
var Total = total

// Database gives the tests what only the driver can do.
func (db *DB) Database() *mongo.Database { return db.Users.docs.Database() }
