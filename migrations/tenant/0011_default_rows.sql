-- What a new helpdesk starts with. Ids are those of OTRS and Znuny: reports and programs have them written in.
-- The texts are our own.

-- `valid` and `users` refer to each other: both are there when references are checked, at the end of the statement.
-- The first agent is only the author of these rows: `*` is the hash of no password.
WITH states AS (
    INSERT INTO valid (id, name, create_time, create_by, change_time, change_by)
    SELECT id, name, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
    FROM (VALUES (1, 'valid'), (2, 'invalid'), (3, 'invalid-temporarily')) AS new (id, name)
)
INSERT INTO users (
    id, login, pw, first_name, last_name, valid_id, create_time, create_by, change_time, change_by
)
VALUES (
    1, 'root@localhost', '*', 'System', 'Administrator', 1,
    now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
);

INSERT INTO permission_groups (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'users'),
    (2, 'admin'),
    (3, 'stats'),
    (4, 'timeaccounting_webservice')
) AS new (id, name);

INSERT INTO group_user (user_id, group_id, permission_key, create_time, create_by, change_time, change_by)
SELECT 1, id, 'rw', now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM permission_groups
WHERE name IN ('users', 'admin', 'stats');

INSERT INTO link_type (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'Normal'),
    (2, 'ParentChild')
) AS new (id, name);

INSERT INTO link_state (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'Valid'),
    (2, 'Temporary')
) AS new (id, name);

INSERT INTO ticket_state_type (
    id, name, create_time, create_by, change_time, change_by
)
SELECT id, name, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'new'),
    (2, 'open'),
    (3, 'closed'),
    (4, 'pending reminder'),
    (5, 'pending auto'),
    (6, 'removed'),
    (7, 'merged')
) AS new (id, name);

-- new 1, open 2, closed 3, pending reminder 4, pending auto 5, removed 6, merged 7.
INSERT INTO ticket_state (
    id, name, type_id, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, type_id, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'new', 1),
    (2, 'closed successful', 3),
    (3, 'closed unsuccessful', 3),
    (4, 'open', 2),
    (5, 'removed', 6),
    (6, 'pending reminder', 4),
    (7, 'pending auto close+', 5),
    (8, 'pending auto close-', 5),
    (9, 'merged', 7)
) AS new (id, name, type_id);

INSERT INTO ticket_priority (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, '1 very low'),
    (2, '2 low'),
    (3, '3 normal'),
    (4, '4 high'),
    (5, '5 very high')
) AS new (id, name);

INSERT INTO ticket_type (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'Unclassified')
) AS new (id, name);

INSERT INTO ticket_lock_type (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'unlock'),
    (2, 'lock'),
    (3, 'tmp_lock')
) AS new (id, name);

INSERT INTO article_sender_type (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'agent'),
    (2, 'system'),
    (3, 'customer')
) AS new (id, name);

-- YAML that says in which tables the articles of a channel lie. Class names are how web services know a channel.
INSERT INTO communication_channel (
    id, name, module, package_name, channel_data, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, module, package_name, channel_data, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (
        1,
        'Email',
        'Kernel::System::CommunicationChannel::Email',
        'Framework',
        E'---\nArticleDataArticleIDField: article_id\nArticleDataTables:\n- article_data_mime\n- article_data_mime_plain\n- article_data_mime_attachment\n- article_data_mime_send_error\n'
    ),
    (
        2,
        'Phone',
        'Kernel::System::CommunicationChannel::Phone',
        'Framework',
        E'---\nArticleDataArticleIDField: article_id\nArticleDataTables:\n- article_data_mime\n- article_data_mime_plain\n- article_data_mime_attachment\n- article_data_mime_send_error\n'
    ),
    (
        3,
        'Internal',
        'Kernel::System::CommunicationChannel::Internal',
        'Framework',
        E'---\nArticleDataArticleIDField: article_id\nArticleDataTables:\n- article_data_mime\n- article_data_mime_plain\n- article_data_mime_attachment\n- article_data_mime_send_error\n'
    ),
    (
        4,
        'Chat',
        'Kernel::System::CommunicationChannel::Chat',
        'Framework',
        E'---\nArticleDataArticleIDField: article_id\nArticleDataTables:\n- article_data_otrs_chat\n'
    )
) AS new (id, name, module, package_name, channel_data);

INSERT INTO ticket_history_type (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'NewTicket'),
    (2, 'FollowUp'),
    (3, 'SendAutoReject'),
    (4, 'SendAutoReply'),
    (5, 'SendAutoFollowUp'),
    (6, 'Forward'),
    (7, 'Bounce'),
    (8, 'SendAnswer'),
    (9, 'SendAgentNotification'),
    (10, 'SendCustomerNotification'),
    (11, 'EmailAgent'),
    (12, 'EmailCustomer'),
    (13, 'PhoneCallAgent'),
    (14, 'PhoneCallCustomer'),
    (15, 'AddNote'),
    (16, 'Move'),
    (17, 'Lock'),
    (18, 'Unlock'),
    (19, 'Remove'),
    (20, 'TimeAccounting'),
    (21, 'CustomerUpdate'),
    (22, 'PriorityUpdate'),
    (23, 'OwnerUpdate'),
    (24, 'LoopProtection'),
    (25, 'Misc'),
    (26, 'SetPendingTime'),
    (27, 'StateUpdate'),
    (28, 'TicketDynamicFieldUpdate'),
    (29, 'WebRequestCustomer'),
    (30, 'TicketLinkAdd'),
    (31, 'TicketLinkDelete'),
    (32, 'SystemRequest'),
    (33, 'Merged'),
    (34, 'ResponsibleUpdate'),
    (35, 'Subscribe'),
    (36, 'Unsubscribe'),
    (37, 'TypeUpdate'),
    (38, 'ServiceUpdate'),
    (39, 'SLAUpdate'),
    (40, 'ArchiveFlagUpdate'),
    (41, 'EscalationSolutionTimeStop'),
    (42, 'EscalationResponseTimeStart'),
    (43, 'EscalationUpdateTimeStart'),
    (44, 'EscalationSolutionTimeStart'),
    (45, 'EscalationResponseTimeNotifyBefore'),
    (46, 'EscalationUpdateTimeNotifyBefore'),
    (47, 'EscalationSolutionTimeNotifyBefore'),
    (48, 'EscalationResponseTimeStop'),
    (49, 'EscalationUpdateTimeStop'),
    (50, 'TitleUpdate'),
    (51, 'EmailResend'),
    (52, 'Bulk')
) AS new (id, name);

INSERT INTO follow_up_possible (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'possible'),
    (2, 'reject'),
    (3, 'new ticket')
) AS new (id, name);

INSERT INTO auto_response_type (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'auto reply'),
    (2, 'auto reject'),
    (3, 'auto follow up'),
    (4, 'auto reply/new ticket'),
    (5, 'auto remove')
) AS new (id, name);

INSERT INTO salutation (
    id, name, text, content_type, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, text, content_type, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (
        1,
        'system standard salutation (en)',
        E'Hello <OTRS_CUSTOMER_REALNAME>,\n\nthank you for writing to us.\n',
        'text/plain; charset=utf-8'
    )
) AS new (id, name, text, content_type);

INSERT INTO signature (
    id, name, text, content_type, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, text, content_type, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (
        1,
        'system standard signature (en)',
        E'\nKind regards\n\n<OTRS_Agent_UserFirstname> <OTRS_Agent_UserLastname>\n',
        'text/plain; charset=utf-8'
    )
) AS new (id, name, text, content_type);

-- To be replaced by the address that mail really comes to.
INSERT INTO system_address (
    id, value0, value1, queue_id, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, value0, value1, queue_id, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'znuny@localhost', 'Helpdesk', 1)
) AS new (id, value0, value1, queue_id);

INSERT INTO queue (
    id, name, group_id, system_address_id, salutation_id, signature_id, follow_up_id, follow_up_lock, comments, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, group_id, system_address_id, salutation_id, signature_id, follow_up_id, follow_up_lock, comments, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'Postmaster', 1, 1, 1, 1, 1, 0, 'Where mail arrives.'),
    (2, 'Raw', 1, 1, 1, 1, 1, 0, 'Everything that nobody has sorted yet.'),
    (3, 'Junk', 1, 1, 1, 1, 1, 0, 'What nobody wanted.'),
    (4, 'Misc', 1, 1, 1, 1, 1, 0, 'What fits nowhere else.')
) AS new (id, name, group_id, system_address_id, salutation_id, signature_id, follow_up_id, follow_up_lock, comments);

-- Subject is text1, body text0. None is sent until an administrator assigns it to a queue.
INSERT INTO auto_response (
    id, name, type_id, system_address_id, content_type, text1, text0, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, type_id, system_address_id, content_type, text1, text0, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (
        1,
        'default reply (after new ticket has been created)',
        1,
        1,
        'text/plain; charset=utf-8',
        'Your request has arrived',
        E'We have received your message about "<OTRS_CUSTOMER_SUBJECT[24]>".\n\nIts number is <OTRS_TICKET_TicketNumber>. Keep it in the subject when you write to us again, so that everything stays together.\n\nYou wrote:\n<OTRS_CUSTOMER_EMAIL[6]>\n'
    ),
    (
        2,
        'default reject (after follow-up and rejected of a closed ticket)',
        2,
        1,
        'text/plain; charset=utf-8',
        'Your message could not be added',
        E'Ticket <OTRS_TICKET_TicketNumber> is closed and takes no further messages.\n\nPlease open a new request; you can name the old number in it.\n'
    ),
    (
        3,
        'default follow-up (after a ticket follow-up has been added)',
        3,
        1,
        'text/plain; charset=utf-8',
        'Your message has been added',
        E'Your message has been added to ticket <OTRS_TICKET_TicketNumber>. We will come back to you.\n'
    ),
    (
        4,
        'default reject/new ticket created (after closed follow-up with new ticket creation)',
        4,
        1,
        'text/plain; charset=utf-8',
        'A new ticket has been opened',
        E'The ticket that you answered is closed, so a new one has been opened for you. Its number is <OTRS_TICKET_TicketNumber>.\n'
    )
) AS new (id, name, type_id, system_address_id, content_type, text1, text0);

INSERT INTO standard_template (
    id, name, text, content_type, template_type, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, text, content_type, template_type, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (
        1,
        'empty answer',
        '',
        'text/plain; charset=utf-8',
        'Answer'
    ),
    (
        2,
        'test answer',
        E'This is a sample of a ready-made answer. Change it, or make your own.\n',
        'text/plain; charset=utf-8',
        'Answer'
    )
) AS new (id, name, text, content_type, template_type);

INSERT INTO queue_standard_template (
    queue_id, standard_template_id, create_time, create_by, change_time, change_by
)
SELECT id, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM queue
WHERE id BETWEEN 1 AND 4;

INSERT INTO dynamic_field (
    id, internal_field, name, label, field_order, field_type, object_type, config, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, internal_field, name, label, field_order, field_type, object_type, config, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 1, 'ProcessManagementProcessID', 'Process', 1, 'ProcessID', 'Ticket', E'---\nDefaultValue: ''''\n'),
    (2, 1, 'ProcessManagementActivityID', 'Activity', 2, 'ActivityID', 'Ticket', E'---\nDefaultValue: ''''\n'),
    (3, 1, 'ProcessManagementAttachment', 'Attachment', 3, 'TextArea', 'Ticket', E'---\nDefaultValue: ''''\n'),
    (4, 0, 'TicketCalendarStartTime', 'Calendar start', 4, 'DateTime', 'Ticket', E'---\nDefaultValue: 0\nYearsPeriod: 0\nDateRestriction: none\nLink: ''''\n'),
    (5, 0, 'TicketCalendarEndTime', 'Calendar end', 5, 'DateTime', 'Ticket', E'---\nDefaultValue: 0\nYearsPeriod: 0\nDateRestriction: none\nLink: ''''\n')
) AS new (id, internal_field, name, label, field_order, field_type, object_type, config);

INSERT INTO notification_event (
    id, name, valid_id, create_time, create_by, change_time, change_by
)
SELECT id, name, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM (VALUES
    (1, 'Ticket create notification'),
    (2, 'Ticket follow-up notification (unlocked)'),
    (3, 'Ticket follow-up notification (locked)'),
    (4, 'Ticket lock timeout notification'),
    (5, 'Ticket owner update notification'),
    (6, 'Ticket responsible update notification'),
    (7, 'Ticket new note notification'),
    (8, 'Ticket queue update notification'),
    (9, 'Ticket pending reminder notification (locked)'),
    (10, 'Ticket pending reminder notification (unlocked)'),
    (11, 'Ticket escalation notification'),
    (12, 'Ticket escalation warning notification'),
    (13, 'Ticket service update notification'),
    (14, 'Appointment reminder notification'),
    (15, 'Ticket email delivery failure notification'),
    (16, 'Mention notification')
) AS new (id, name);

-- When, to whom and how. A ticket notification has no type; LockID 1 is unlocked, 2 locked.
INSERT INTO notification_event_item (notification_id, event_key, event_value) VALUES
    (1, 'Events', 'NotificationNewTicket'),
    (1, 'Recipients', 'AgentMyQueues'),
    (1, 'Recipients', 'AgentMyServices'),
    (1, 'VisibleForAgent', '1'),
    (1, 'Transports', 'Email'),
    (1, 'AgentEnabledByDefault', 'Email'),
    (2, 'Events', 'NotificationFollowUp'),
    (2, 'Recipients', 'AgentOwner'),
    (2, 'Recipients', 'AgentResponsible'),
    (2, 'Recipients', 'AgentWatcher'),
    (2, 'Recipients', 'AgentMyQueues'),
    (2, 'Recipients', 'AgentMyServices'),
    (2, 'VisibleForAgent', '1'),
    (2, 'Transports', 'Email'),
    (2, 'AgentEnabledByDefault', 'Email'),
    (2, 'LockID', '1'),
    (3, 'Events', 'NotificationFollowUp'),
    (3, 'Recipients', 'AgentOwner'),
    (3, 'Recipients', 'AgentResponsible'),
    (3, 'Recipients', 'AgentWatcher'),
    (3, 'VisibleForAgent', '1'),
    (3, 'Transports', 'Email'),
    (3, 'AgentEnabledByDefault', 'Email'),
    (3, 'LockID', '2'),
    (4, 'Events', 'NotificationLockTimeout'),
    (4, 'Recipients', 'AgentOwner'),
    (4, 'VisibleForAgent', '1'),
    (4, 'Transports', 'Email'),
    (4, 'AgentEnabledByDefault', 'Email'),
    (5, 'Events', 'NotificationOwnerUpdate'),
    (5, 'Recipients', 'AgentOwner'),
    (5, 'VisibleForAgent', '1'),
    (5, 'Transports', 'Email'),
    (5, 'AgentEnabledByDefault', 'Email'),
    (6, 'Events', 'NotificationResponsibleUpdate'),
    (6, 'Recipients', 'AgentResponsible'),
    (6, 'VisibleForAgent', '1'),
    (6, 'Transports', 'Email'),
    (6, 'AgentEnabledByDefault', 'Email'),
    (7, 'Events', 'NotificationAddNote'),
    (7, 'Recipients', 'AgentOwner'),
    (7, 'Recipients', 'AgentResponsible'),
    (7, 'Recipients', 'AgentWatcher'),
    (7, 'VisibleForAgent', '1'),
    (7, 'Transports', 'Email'),
    (7, 'AgentEnabledByDefault', 'Email'),
    (8, 'Events', 'NotificationMove'),
    (8, 'Recipients', 'AgentMyQueues'),
    (8, 'VisibleForAgent', '1'),
    (8, 'Transports', 'Email'),
    (8, 'AgentEnabledByDefault', 'Email'),
    (9, 'Events', 'NotificationPendingReminder'),
    (9, 'Recipients', 'AgentOwner'),
    (9, 'Recipients', 'AgentResponsible'),
    (9, 'VisibleForAgent', '1'),
    (9, 'Transports', 'Email'),
    (9, 'AgentEnabledByDefault', 'Email'),
    (9, 'LockID', '2'),
    (9, 'OncePerDay', '1'),
    (10, 'Events', 'NotificationPendingReminder'),
    (10, 'Recipients', 'AgentOwner'),
    (10, 'Recipients', 'AgentResponsible'),
    (10, 'Recipients', 'AgentMyQueues'),
    (10, 'VisibleForAgent', '1'),
    (10, 'Transports', 'Email'),
    (10, 'AgentEnabledByDefault', 'Email'),
    (10, 'LockID', '1'),
    (10, 'OncePerDay', '1'),
    (11, 'Events', 'NotificationEscalation'),
    (11, 'Recipients', 'AgentMyQueues'),
    (11, 'Recipients', 'AgentWritePermissions'),
    (11, 'VisibleForAgent', '1'),
    (11, 'Transports', 'Email'),
    (11, 'AgentEnabledByDefault', 'Email'),
    (11, 'OncePerDay', '1'),
    (12, 'Events', 'NotificationEscalationNotifyBefore'),
    (12, 'Recipients', 'AgentMyQueues'),
    (12, 'Recipients', 'AgentWritePermissions'),
    (12, 'VisibleForAgent', '1'),
    (12, 'Transports', 'Email'),
    (12, 'AgentEnabledByDefault', 'Email'),
    (12, 'OncePerDay', '1'),
    (13, 'Events', 'NotificationServiceUpdate'),
    (13, 'Recipients', 'AgentMyServices'),
    (13, 'VisibleForAgent', '1'),
    (13, 'Transports', 'Email'),
    (13, 'AgentEnabledByDefault', 'Email'),
    (14, 'Events', 'AppointmentNotification'),
    (14, 'Recipients', 'AppointmentAgentReadPermissions'),
    (14, 'VisibleForAgent', '0'),
    (14, 'Transports', 'Email'),
    (14, 'AgentEnabledByDefault', 'Email'),
    (14, 'NotificationType', 'Appointment'),
    (15, 'Events', 'ArticleEmailSendingError'),
    (15, 'Recipients', 'AgentResponsible'),
    (15, 'Recipients', 'AgentOwner'),
    (15, 'VisibleForAgent', '0'),
    (15, 'Transports', 'Email'),
    (15, 'AgentEnabledByDefault', 'Email'),
    (16, 'Events', 'UserMention'),
    (16, 'Recipients', 'AgentMention'),
    (16, 'VisibleForAgent', '1'),
    (16, 'Transports', 'Email'),
    (16, 'AgentEnabledByDefault', 'Email');

INSERT INTO notification_event_message (id, notification_id, content_type, language, subject, text) VALUES
    (
        1, 1, 'text/plain', 'en',
        'New ticket: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\nticket <OTRS_TICKET_TicketNumber> has been created in queue <OTRS_TICKET_Queue>.\n\n<OTRS_CUSTOMER_REALNAME> wrote:\n<OTRS_CUSTOMER_BODY[30]>\n'
    ),
    (
        2, 2, 'text/plain', 'en',
        'Message in an unlocked ticket: <OTRS_CUSTOMER_SUBJECT[24]>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\na message has come for ticket <OTRS_TICKET_TicketNumber>, which nobody has locked.\n\n<OTRS_CUSTOMER_REALNAME> wrote:\n<OTRS_CUSTOMER_BODY[30]>\n'
    ),
    (
        3, 3, 'text/plain', 'en',
        'Message in your ticket: <OTRS_CUSTOMER_SUBJECT[24]>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\na message has come for your locked ticket <OTRS_TICKET_TicketNumber>.\n\n<OTRS_CUSTOMER_REALNAME> wrote:\n<OTRS_CUSTOMER_BODY[30]>\n'
    ),
    (
        4, 4, 'text/plain', 'en',
        'Ticket unlocked: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\nticket <OTRS_TICKET_TicketNumber> was locked for too long and is open to everybody again.\n'
    ),
    (
        5, 5, 'text/plain', 'en',
        'Ticket is yours now: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\n<OTRS_CURRENT_UserFullname> has made you the owner of ticket <OTRS_TICKET_TicketNumber>.\n\n<OTRS_COMMENT>\n'
    ),
    (
        6, 6, 'text/plain', 'en',
        'You are responsible now: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\n<OTRS_CURRENT_UserFullname> has made you responsible for ticket <OTRS_TICKET_TicketNumber>.\n\n<OTRS_COMMENT>\n'
    ),
    (
        7, 7, 'text/plain', 'en',
        'New note: <OTRS_AGENT_SUBJECT[24]>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\n<OTRS_CURRENT_UserFullname> has added a note to ticket <OTRS_TICKET_TicketNumber>:\n\n<OTRS_AGENT_BODY>\n'
    ),
    (
        8, 8, 'text/plain', 'en',
        'Ticket moved to <OTRS_TICKET_Queue>: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\n<OTRS_CURRENT_UserFullname> has moved ticket <OTRS_TICKET_TicketNumber> to queue <OTRS_TICKET_Queue>.\n'
    ),
    (
        9, 9, 'text/plain', 'en',
        'Reminder for your ticket: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\nthe time that you have set for ticket <OTRS_TICKET_TicketNumber> has come.\n'
    ),
    (
        10, 10, 'text/plain', 'en',
        'Reminder: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\nthe time that was set for ticket <OTRS_TICKET_TicketNumber> has come, and nobody has locked it.\n'
    ),
    (
        11, 11, 'text/plain', 'en',
        'Ticket escalates: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\nticket <OTRS_TICKET_TicketNumber> is late since <OTRS_TICKET_EscalationDestinationDate>.\n'
    ),
    (
        12, 12, 'text/plain', 'en',
        'Ticket will escalate: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\nticket <OTRS_TICKET_TicketNumber> will be late at <OTRS_TICKET_EscalationDestinationDate>, in <OTRS_TICKET_EscalationDestinationIn>.\n'
    ),
    (
        13, 13, 'text/plain', 'en',
        'Service is now <OTRS_TICKET_Service>: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\n<OTRS_CURRENT_UserFullname> has changed the service of ticket <OTRS_TICKET_TicketNumber> to <OTRS_TICKET_Service>.\n'
    ),
    (
        14, 14, 'text/plain', 'en',
        'Reminder: <OTRS_APPOINTMENT_TITLE>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\nappointment "<OTRS_APPOINTMENT_TITLE>" begins at <OTRS_APPOINTMENT_STARTTIME>.\n\n<OTRS_APPOINTMENT_DESCRIPTION>\n'
    ),
    (
        15, 15, 'text/plain', 'en',
        'Mail could not be sent: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\na mail of ticket <OTRS_TICKET_TicketNumber> could not be delivered:\n\n<OTRS_AGENT_SUBJECT>\n<OTRS_ARTICLE_TransmissionStatusMessage>\n'
    ),
    (
        16, 16, 'text/plain', 'en',
        'You were mentioned: <OTRS_TICKET_Title>',
        E'Hello <OTRS_NOTIFICATION_RECIPIENT_UserFirstname>,\n\n<OTRS_CURRENT_UserFullname> has mentioned you in ticket <OTRS_TICKET_TicketNumber>.\n'
    );

-- The first ticket, as every new helpdesk of this family has one.
INSERT INTO ticket (
    id, tn, title, queue_id, ticket_lock_id, type_id, user_id, responsible_user_id, ticket_priority_id,
    ticket_state_id, timeout, until_time, escalation_time, escalation_update_time, escalation_response_time,
    escalation_solution_time, create_time, create_by, change_time, change_by
)
VALUES (
    1, '2021012710123456', 'Welcome', 2, 1, 1, 1, 1, 3, 1, 0, 0, 0, 0, 0, 0,
    now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
);

INSERT INTO article (
    id, ticket_id, article_sender_type_id, communication_channel_id, is_visible_for_customer,
    create_time, create_by, change_time, change_by
)
VALUES (1, 1, 3, 1, 1, now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1);

WITH welcome (sender, recipient, subject, body) AS (
    VALUES (
        'GOTRS <welcome@localhost>',
        'Helpdesk <znuny@localhost>',
        'Welcome',
        E'This is the first ticket of your helpdesk.\n\nAnswer it, move it, close it: nothing can go wrong here.\n'
    )
), mime AS (
    INSERT INTO article_data_mime (
        id, article_id, a_from, a_to, a_subject, a_content_type, a_body, incoming_time,
        create_time, create_by, change_time, change_by
    )
    SELECT 1, 1, sender, recipient, subject, 'text/plain; charset=utf-8', body, extract(epoch FROM now())::integer,
           now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
    FROM welcome
)
-- On PostgreSQL this family keeps bytes as Base64 with a line feed at the end.
INSERT INTO article_data_mime_plain (
    id, article_id, body, create_time, create_by, change_time, change_by
)
SELECT 1, 1,
       encode(convert_to(format(E'From: %s\nTo: %s\nSubject: %s\n\n%s', sender, recipient, subject, body), 'UTF8'), 'base64')
           || E'\n',
       now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
FROM welcome;

INSERT INTO ticket_history (
    id, name, history_type_id, ticket_id, article_id, type_id, queue_id, owner_id, priority_id, state_id,
    create_time, create_by, change_time, change_by
)
VALUES (
    1, '%%2021012710123456%%Raw%%3 normal%%new%%1', 1, 1, 1, 1, 2, 1, 3, 1,
    now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
);

-- The next row of each table gets the next free id.
DO $body$
DECLARE
    filled text;
BEGIN
    FOREACH filled IN ARRAY ARRAY[
        'article',
        'article_data_mime',
        'article_data_mime_plain',
        'article_sender_type',
        'auto_response',
        'auto_response_type',
        'communication_channel',
        'dynamic_field',
        'follow_up_possible',
        'link_state',
        'link_type',
        'notification_event',
        'notification_event_message',
        'permission_groups',
        'queue',
        'salutation',
        'signature',
        'standard_template',
        'system_address',
        'ticket',
        'ticket_history',
        'ticket_history_type',
        'ticket_lock_type',
        'ticket_priority',
        'ticket_state',
        'ticket_state_type',
        'ticket_type',
        'users',
        'valid'
    ] LOOP
        EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), max(id)) FROM %I', filled, filled);
    END LOOP;
END
$body$;
