/** What `chat group --help` prints of its own. */

export const GROUP_USAGE = `chat group: make groups, see who is in them, change them

usage:
  chat group create ID [--name N] [--about T] [MEMBER...] [POLICY=VALUE...]
  chat group list
  chat group info ID                       what it is, who is in it; with ID/CODE what somebody with the link may know
  chat group add|invite|remove ID MEMBER...
  chat group role ID admin|member MEMBER...
  chat group owner ID MEMBER               hand it over
  chat group rename ID NAME                the name that is shown
  chat group about ID TEXT
  chat group picture ID FILE               set its picture; '' removes it
  chat group picture ID [--out FILE]       save it
  chat group policy ID [post=all|admins] [add=all|admins] [edit=all|admins] [history=all|joined]
  chat group link ID [--expires 7d] [--uses N] [--approval]
  chat group unlink ID CODE
  chat group join ID [CODE]                by a link, also written ID/CODE, or without one by an invitation
  chat group deny ID MEMBER...             turn down those who have asked to join, or an invitation
  chat group leave ID
  chat group disband ID

Each with --server URL --user NAME --password-file FILE [options]. ID is the group's address, such as '#skiing'. Its # may be left
out here; with it, ID goes in quotes, since shells take # at the beginning of a word for a comment. Write to a group with
chat send '#skiing' TEXT. Doing what was done already does no harm.

policy: who may write (post), who may add, invite and make links (add), who may rename and describe it (edit), and whether new
members see what was written before (history).`

export const GROUP_OPTIONS_HELP = `  --name N, --about T   with create: the name that is shown, and a description
  --expires TIME        with link: 30m, 12h, 7d, 2w; without it the link is good until it is revoked
  --uses N              with link: lets so many people in at most
  --out FILE            with picture: where it is saved; - is stdout; without it a free name in this folder
  --thumbnail           with picture: the small one, of 96 pixels
  --approval            with link: who uses it waits until an admin adds them`

export const GROUP_JSON_HELP = `  --json                print JSON, one object for each line. Times are Unix times in milliseconds.
                        create, join and changes: {"group":"#skiing","seq":5}   seq 0: it was so already; a join that an
                        admin has to approve has "pending":true behind it
                        list: {"group":"#skiing","name":"Skiing","size":3,"role":"owner","tail":9,"unread":2}
                        role: owner, admin, member, invited, former
                        link: {"group":"#skiing","code":"…","created":T,"expires":T,"uses":3,"approval":false}
                        expires and uses are null where there is no such bound
                        unlink: {"group":"#skiing","revoked":"CODE"}
                        info: {"group":"#skiing","name":"Skiing","about":"","picture":"","created":T,"size":1,
                        "role":"owner","policy":{"post":"all","add":"admins","edit":"admins","history":"joined"},
                        "members":[{"user":"alice","role":"owner","since":T}],"invited":["dave"],"requests":["erin"],
                        "links":[{"code":"…","created":T,"expires":null,"uses":null,"approval":false}]}
                        policy is null, and lists are empty, for who is no member`
